"""`promptcot doctor` as a user runs it: against servers in this process, and with the embedded models."""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner

from promptcot.cli.doctor import command
from promptcot.mock_server import MockOptions, MockServer
from tests.programs import python

SHORT = ["--set", "generate.max_tokens=1000", "--set", "judge.0.max_tokens=1000", "--set", "judge.1.max_tokens=1000"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


async def doctor(*arguments: str) -> tuple[int, str]:
    """The exit code, and what was printed, its lines put together again."""
    result = await asyncio.to_thread(CliRunner().invoke, command, arguments, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 100 or any(len(word) > 80 for word in result.output.split())
    return result.return_value, result.output.replace("\n           ", " ")


@asynccontextmanager
async def serving(
    handler: object, path: str = "/{tail:.*}", context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """The base URL of a server that answers everything below `path` with a handler."""
    application = web.Application()
    application.router.add_route("*", path, handler)  # type: ignore[arg-type]
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http{'s' if context else ''}://127.0.0.1:{port}/v1"
    finally:
        await runner.cleanup()


async def test_a_server_that_works_is_told_with_its_context() -> None:
    async with MockServer(MockOptions(models=("one", "two"), context=32768)) as server:
        code, text = await doctor("--base-url", server.url, "--model", "two")
    assert code == 0, text
    assert f"ok       {server.url} has two (one of 2 models), context 32,768" in text
    assert "ok       a chat is answered" in text
    assert "ok       a raw prompt is answered" in text


async def test_a_missing_and_a_wrong_key_are_told_and_no_key_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MockServer(MockOptions(api_key="right-key")) as server:
        code, missing = await doctor("--base-url", server.url, "--model", "mock")
        monkeypatch.setenv("MY_KEY", "wrong-key")
        _, wrong = await doctor("--base-url", server.url, "--model", "mock", "--api-key-env", "MY_KEY")
        monkeypatch.setenv("MY_KEY", "right-key")
        good, right = await doctor("--base-url", server.url, "--model", "mock", "--api-key-env", "MY_KEY")
    assert code == 1
    assert missing.count("problem  ") == 1
    assert "answers 401" in missing
    assert "OPENAI_API_KEY, which is not set" in missing
    assert "answers 401" in wrong
    assert "variable MY_KEY" in wrong
    assert "wrong-key" not in wrong
    assert good == 0
    assert "right-key" not in right


async def test_a_model_that_the_server_lacks_is_told_with_those_that_it_has() -> None:
    async with MockServer(MockOptions(models=("one", "two"))) as server:
        code, unknown = await doctor("--base-url", server.url, "--model", "three")
        _, unnamed = await doctor("--base-url", server.url)
    assert code == 1
    assert "has no model 'three' → it has one, two: name one with --model" in unknown
    assert "several models, and none is named → name one with --model: one, two" in unnamed


async def test_the_model_may_be_named_as_other_commands_name_it() -> None:
    async with MockServer(MockOptions(models=("one", "two"))) as server:
        code, text = await doctor("--base-url", server.url, "--model-path", "two")
    assert code == 0, text
    assert "the model: two" in text


@pytest.mark.parametrize(("status", "why"), [(200, "its list of them is empty"), (500, "it answers 500")])
async def test_a_server_that_does_not_say_which_models_it_has_is_asked_for_no_other(status: int, why: str) -> None:
    async def models(request: web.Request) -> web.Response:
        assert request.path == "/v1/models" or request.path == "/props"
        return web.json_response({"object": "list", "data": []}, status=status)

    async with serving(models) as url:
        code, text = await doctor("--base-url", url)
    assert code == 1
    assert f"{url} does not say which models it has ({why}) → if this is a server, name one with --model" in text


@pytest.mark.parametrize("key", [None, "a-key"])
async def test_an_address_without_v1_is_told(key: str | None) -> None:
    async with MockServer(MockOptions(api_key=key)) as server:
        code, text = await doctor("--base-url", server.root)
    assert code == 1
    assert f"the address lacks /v1 → use --base-url {server.url}" in text


def _chats(*models: web.Response, failing: int = 0) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A server that answers chats, after so many that fail, and a look at its models with these, the last for ever."""
    lists, failures = [*models], [*range(failing)]
    whole = {"choices": [{"message": {"content": "5"}, "finish_reason": "stop"}], "usage": {}}

    async def handle(request: web.Request) -> web.Response:
        if request.method == "GET":
            found = lists.pop(0) if len(lists) > 1 else lists[0]
            return web.Response(status=found.status, body=found.body, content_type="application/json")
        if request.path != "/v1/chat/completions":
            return web.json_response({"detail": "Not Found"}, status=404)
        return web.json_response(whole, status=500 if failures and failures.pop() >= 0 else 200)

    return handle


LIST = web.json_response({"data": [{"id": "m"}]})


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptcot.doctor.servers._AGAIN", (0.0, 0.0))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [404, 405, 429, 500, 503])
async def test_a_server_without_a_list_of_models_is_judged_by_its_chat(status: int) -> None:
    async with serving(_chats(web.Response(status=status))) as url:
        code, text = await doctor("--base-url", url, "--model", "m")
    assert code == 0, text
    assert f"does not list its models (it answers {status}), which is harmless" in text
    assert "ok       a chat is answered" in text


@pytest.mark.usefixtures("at_once")
async def test_what_fails_for_the_moment_is_asked_again() -> None:
    async with serving(_chats(web.Response(status=500), web.Response(status=429), LIST, failing=2)) as url:
        code, text = await doctor("--base-url", url, "--model", "m")
    assert code == 0, text
    assert f"ok       {url} has m" in text
    assert "ok       a chat is answered" in text


@pytest.mark.usefixtures("at_once")
async def test_without_a_list_the_model_has_to_be_named() -> None:
    async with serving(_chats(web.Response(status=500))) as url:
        code, text = await doctor("--base-url", url)
    assert code == 1
    assert "does not say which models it has (it answers 500) → if this is a server, name one with --model" in text


async def test_a_web_page_is_no_server() -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html><body>Please sign in</body></html>", content_type="text/html")

    async with serving(page) as url:
        code, text = await doctor("--base-url", url, "--model", "m")
    assert code == 1
    assert "does not look like an OpenAI-compatible server" in text
    assert text.count("problem  ") == 1


async def test_nothing_listens() -> None:
    async with MockServer() as server:
        url = server.url
    code, text = await doctor("--base-url", url)
    assert code == 1
    assert f"nothing answers at {url}" in text
    assert "start the server, or correct the address" in text
    assert "promptcot doctor" not in text


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
async def test_a_certificate_that_nobody_signed(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def models(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "m"}]})

    async with serving(models, context=context) as url:
        code, text = await doctor("--base-url", url, "--model", "m")
    assert code == 1
    assert "CERTIFICATE_VERIFY_FAILED" in text
    assert "SSL_CERT_FILE" in text


async def _without_template(request: web.Request) -> web.Response:
    """A vLLM server whose model has no chat template."""
    if request.path == "/v1/models":
        return web.json_response({"data": [{"id": "m", "max_model_len": 8192}]})
    if request.path == "/v1/chat/completions":
        return web.json_response({"error": {"message": "no chat template is defined for this model"}}, status=400)
    usage = {"prompt_tokens": 5, "completion_tokens": 3}
    return web.json_response({"choices": [{"text": "5", "finish_reason": "stop"}], "usage": usage})


async def test_a_model_without_a_chat_template_is_a_problem_where_the_recipe_chats() -> None:
    async with serving(_without_template) as url:
        code, text = await doctor("endpoint", "--base-url", url, "--model", "m", *SHORT)
        alone, told = await doctor("--base-url", url, "--model", "m")
    assert code == 1
    assert "no chat template" in text
    assert "chat = false" in text
    assert "not tried: fix the problems above first" in text
    assert alone == 0
    assert "note     a chat is not supported" in told
    assert "ok       a raw prompt is answered" in told


async def test_a_server_without_raw_completions_is_a_problem_where_the_recipe_asks_raw() -> None:
    async def chats(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "m"}]})
        return web.json_response({"detail": "Not Found"}, status=404)

    async with serving(chats) as url:
        raw = [change for place in ("generate", "judge.0", "judge.1") for change in ("--set", f"{place}.chat=false")]
        code, text = await doctor("endpoint", "--base-url", url, "--model", "m", *SHORT, *raw)
    assert code == 1
    assert "set chat = true for this step" in text


async def test_a_trial_measures_each_stage_and_estimates_time_and_cost() -> None:
    prices = ["--set", "server.price.prompt=1.0", "--set", "server.price.completion=2.0"]
    async with MockServer(MockOptions(latency=0.2)) as server:
        code, text = await doctor("endpoint", "--base-url", server.url, "--model", "mock", *SHORT, *prices)
        asked = server.stats()
    assert code == 0, text
    for stage in ("generate", "judge-first", "judge-second"):
        assert f"ok       {stage}: 3 replies" in text
    for stage, replies in (("verify", 9), ("solve", 12)):
        assert f"{stage}: {replies} replies" in text
    assert text.count("3 of 3 parse") == 5
    assert "estimate for 64 combinations" in text
    assert "cost about" in text
    assert asked["answered"] == 31, asked  # one small call, and for each row one, three votes and four traces
    assert list(Path().iterdir()) == []


async def test_a_server_that_only_makes_vectors_is_asked_for_some() -> None:
    async with MockServer(MockOptions(models=("m",))) as server:
        sets = ["--set", f"encode.base_url={server.url}", "--set", "encode.model=m"]
        code, text = await doctor("nano", "--no-trial", *sets)
    assert code == 0, text
    assert "come from /embeddings" in text


async def test_replies_that_do_not_parse_are_a_problem_and_shown() -> None:
    async def chat(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "m"}]})
        choice = {"message": {"content": "I would rather not."}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 4}})

    async with serving(chat) as url:
        code, text = await doctor("endpoint", "--base-url", url, "--model", "m", *SHORT)
    assert code == 1
    assert "0 of 3 parse" in text
    assert "I would rather not." in text
    assert "judge-first: no row reached it" in text


async def test_the_embedded_models_are_looked_at_without_torch() -> None:
    program = (
        "import sys; from promptcot.cli import main; code = main(['doctor']); "
        "print('LOADED', sorted({'torch', 'transformers', 'vllm', 'ray'} & set(sys.modules))); sys.exit(code)"
    )
    done = await asyncio.to_thread(python, program)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "LOADED []" in done.stdout
    assert "no problem found" in done.stdout


async def test_more_gpus_than_there_are() -> None:
    code, text = await doctor("--set", "generate.n_gpus=64")
    assert code == 1
    assert "--n_gpus 64: this machine has" in text


async def test_a_trial_with_the_embedded_models_writes_nothing_into_the_output(tmp_path: Path) -> None:
    code, text = await doctor("nano", "--rows", "2", "--output-dir", "results")
    assert code == 0, text
    assert "generate: 2 replies" in text
    assert "2 rows are too few for an interval" in text
    assert list(tmp_path.iterdir()) == []


def _llama_cpp(settings: dict[str, object]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A server of llama.cpp, which tells at /props what it draws with."""

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/props":
            return web.json_response({"default_generation_settings": settings, "total_slots": 1})
        return await _without_template(request)

    return answer


DRAWN = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "presence_penalty": 0.0, "repeat_penalty": 1.1}


@pytest.mark.parametrize("settings", [DRAWN, {"params": DRAWN}], ids=["flat, as at first", "below params"])
async def test_what_a_server_draws_with_where_the_recipe_does_not_say_is_told_with_the_keys(
    settings: dict[str, object],
) -> None:
    async with serving(_llama_cpp(settings)) as url:
        _, text = await doctor("--base-url", url, "--model", "m")
        said = [
            f"--set={step}.{key}"
            for step in ("generate", "judge.0", "judge.1", "verify", "solve")
            for key in ("top_k=9", "min_p=0.0")
        ]
        _, told = await doctor("endpoint", "--base-url", url, "--model", "m", "--no-trial", *SHORT, *said)
    assert f"note     unless a call sets it, {url} samples with top_k = 40, min_p = 0.05" in text
    assert "extra_body = { top_k = -1, min_p = 0 } turns it off" in text
    assert "note     llama.cpp samples with repeat_penalty = 1.1" in text
    assert "extra_body = { repeat_penalty = 1 }" in text
    assert "unless a call sets it" not in told


async def test_what_vllm_takes_from_the_files_of_a_model_that_lies_here_is_told(tmp_path: Path) -> None:
    (tmp_path / "generation_config.json").write_text('{"top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05}')

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": "m", "root": str(tmp_path)}]})
        return await _without_template(request)

    async with serving(answer) as url:
        _, text = await doctor("--base-url", url, "--model", "m")
    assert "samples with top_k = 20" in text
    assert f"{tmp_path}/generation_config.json" in text


@pytest.mark.parametrize(
    "props", ["[]", "{", '{"default_generation_settings": [1]}', '{"default_generation_settings": {}}']
)
async def test_a_server_that_tells_nothing_of_its_defaults_is_no_matter(props: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/props":
            return web.Response(text=props, content_type="application/json")
        return await _without_template(request)

    async with serving(answer) as url:
        code, text = await doctor("--base-url", url, "--model", "m")
    assert code == 0, text
    assert "drawn with" not in text
