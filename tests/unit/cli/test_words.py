"""What a command sends: the wording and the model that its options name, and nothing that follows from a default."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from aiohttp import web

import promptcot
from promptcot import domains, nano
from promptcot.cli import main
from promptcot.stages.defaults import domain_of
from promptcot.storage.rows import read_rows
from tests.unit.engines.http_servers import serving
from tests.unit.training.materials import CHATML

GENERATED = {
    "id": "1",
    "foundational_concepts": ["greatest common divisor", "remainder"],  # those of nano, which change nothing
    "level": "AMC12",
    "prompt": "Concepts: …",
    "completion": "<!-- BEGIN PROBLEM -->Find gcd(6, 4).<!-- END PROBLEM -->",
    "problem": "Find gcd(6, 4).",
}
ONLY_PROMPT = {"id": "2", "prompt": "Find x. Reason step by step."}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "")
    Path("rows.jsonl").write_text(json.dumps(GENERATED) + "\n")
    Path("prompts.jsonl").write_text(json.dumps(ONLY_PROMPT) + "\n")


class Sent:
    """A server that lists `models`, notes the bodies that it gets, and answers each with the same words."""

    def __init__(self, *models: str) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._models = models
        self.locked = False

    def runs(self, work: Callable[[str], Any]) -> Any:
        """What a function gives that is called with the server's URL; the server has a thread of its own."""
        urls: SimpleQueue[str] = SimpleQueue()
        done = threading.Event()

        async def serve() -> None:
            async with serving(self._handle) as root:
                urls.put(f"{root}/v1")
                await asyncio.to_thread(done.wait)

        thread = threading.Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            return work(urls.get())
        finally:
            done.set()
            thread.join()

    def runs_command(self, command: str) -> int:
        return int(self.runs(lambda url: main([*command.split(), "--base-url", url])))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.locked:
            return web.json_response({}, status=401)
        if request.method == "GET":
            found = {"data": [{"id": name} for name in self._models]}
            return web.json_response(found) if request.path == "/v1/models" else web.json_response({}, status=404)
        self.bodies.append(await request.json())
        said = {"content": "said"} if "messages" in self.bodies[-1] else None
        choice = {"finish_reason": "stop", **({"message": said} if said else {"text": "said"})}
        return web.json_response({"choices": [choice]})

    @property
    def words(self) -> str:
        """What was asked."""
        [body] = self.bodies
        return body.get("prompt") or "\n".join(turn["content"] for turn in body["messages"])


def wording(domain: str, verb: str) -> str:
    """What the prompts of a domain make of the row."""
    loaded = domains.load(domain)
    if verb == "solve":
        return loaded.render("solve", problem=GENERATED["problem"])
    concepts, level = GENERATED["foundational_concepts"], GENERATED["level"]
    return loaded.render("judge", **loaded.judging(concepts, level, GENERATED["completion"]))  # type: ignore[arg-type]


def without_marks(words: str) -> str:
    """A judge's mark depends on a seed."""
    return re.sub(r"\[[a-z2-7]{8}\]", "[MARK]", words)


NAMED = [
    ("", "math"),
    ("--model_path m", "math"),
    ("--prompts nano", "nano"),
    ("--model_path nano", "nano"),
    ("--model_path m --prompts nano", "nano"),
]


@pytest.mark.parametrize("verb", ["judge", "solve"])
@pytest.mark.parametrize(("options", "domain"), NAMED)
def test_a_server_is_asked_in_the_words_that_are_named_and_for_a_model_that_it_has(
    verb: str, options: str, domain: str
) -> None:
    server = Sent("m")
    assert server.runs_command(f"{verb} --data_path rows.jsonl --output_path out.jsonl {options}") == 0
    assert without_marks(server.words) == without_marks(wording(domain, verb))
    assert server.bodies[0]["model"] == "m"
    assert json.loads(Path("out.recipe.json").read_bytes())["recipe"]["prompts"] == domain


def test_the_api_asks_in_the_same_words() -> None:
    server = Sent("m")
    server.runs(lambda url: promptcot.solve([GENERATED], model=promptcot.Model(base_url=[url])))
    assert server.words == wording("math", "solve")
    assert domain_of(promptcot.Model(base_url=["http://h/v1"], model="nano:solver")) == "nano"
    assert domain_of(promptcot.Model()) == domain_of(promptcot.Model(model="nano")) == "nano"


REFUSED = [
    ("generate --data_path rows.jsonl --output_path out.jsonl --model_path nano:generator", ["m"], "no model 'nano:g"),
    ("generate --data_path rows.jsonl --output_path out.jsonl", ["a", "b"], "several models: a, b"),
    ("run --output-dir out", ["m"], "no model 'nano:generator'; it lists m"),
    ("run nano --output-dir out --model m", ["m"], "no model 'nano:generator'; it lists m"),
    ("eval nano --output-dir out", ["m"], "no model 'nano:solver'; it lists m"),
]


@pytest.mark.parametrize(("command", "models", "words"), REFUSED)
def test_the_name_of_an_embedded_model_goes_to_no_server_that_does_not_list_it(
    command: str, models: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Sent(*models)
    assert server.runs_command(command) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "Name" in said
    assert not server.bodies


def test_where_a_server_lists_its_models_only_with_a_key_the_key_is_what_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = Sent("m")
    server.locked = True
    assert server.runs_command("solve --data_path rows.jsonl --output_path out.jsonl") == 1
    said = capsys.readouterr().err
    assert "requires a key, or a different key: asked for its models, it answers 401" in said
    assert "the environment variable OPENAI_API_KEY, which is not set" in said
    assert "Name the model" not in said


def test_a_server_that_lists_an_embedded_model_is_asked_for_it() -> None:
    server = Sent("nano:generator", "other")
    told = "generate --data_path rows.jsonl --output_path out.jsonl --model_path nano:generator"
    assert server.runs_command(told) == 1, "what it says is no problem"
    assert server.bodies[0]["model"] == "nano:generator"


@pytest.mark.parametrize(
    ("source", "more", "asked"),
    [
        ("prompts.jsonl", "--use_chat_template", [{"role": "user", "content": ONLY_PROMPT["prompt"]}]),
        ("rows.jsonl", "--use_chat_template --style row", [{"role": "user", "content": GENERATED["prompt"]}]),
        ("prompts.jsonl", "", ONLY_PROMPT["prompt"]),
        ("rows.jsonl", "--style row", GENERATED["prompt"]),
    ],
)
def test_a_prompt_is_asked_as_it_is_raw_or_as_the_users_turn(source: str, more: str, asked: Any) -> None:
    server = Sent("m")
    assert server.runs_command(f"solve --data_path {source} --output_path out.jsonl {more}") == 0
    [body] = server.bodies
    assert body.get("messages", body.get("prompt")) == asked


def test_options_of_sampling_reach_the_server_and_what_is_written_down() -> None:
    server = Sent("m")
    options = "--top_k 20 --min_p 0.05 --presence_penalty 1.5 --stop END --stop ###"
    assert server.runs_command(f"solve --data_path rows.jsonl --output_path out.jsonl {options}") == 0
    told = {"top_k": 20, "min_p": 0.05, "presence_penalty": 1.5, "stop": ["END", "###"]}
    assert told.items() <= server.bodies[0].items()
    assert told.items() <= json.loads(Path("out.recipe.json").read_bytes())["recipe"].items()


def test_options_of_sampling_that_nobody_set_are_neither_sent_nor_written_down() -> None:
    server = Sent("m")
    assert server.runs_command("solve --data_path rows.jsonl --output_path out.jsonl") == 0
    names = {"top_k", "min_p", "presence_penalty", "stop"}
    assert not names & server.bodies[0].keys()
    assert not names & json.loads(Path("out.recipe.json").read_bytes())["recipe"].keys()


@pytest.mark.parametrize(
    "wrong", ["--top_k 0", "--min_p 1.5", "--min_p nan", "--presence_penalty 3", "--presence_penalty nan", "--stop="]
)
def test_sampling_that_cannot_be_is_refused_before_anything_is_asked(wrong: str) -> None:
    server = Sent("m")
    assert server.runs_command(f"solve --data_path rows.jsonl --output_path out.jsonl {wrong}") in (1, 2)
    assert not server.bodies


def folder_with(template: str | None) -> Path:
    """The embedded solver, with a chat template."""
    folder = Path("model")
    folder.mkdir()
    for file in nano.path("solver").iterdir():
        (folder / file.name).symlink_to(file)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder


SHOWN = [
    (CHATML, ["rendered by its chat template", "| <|im_start|>user", "| <|im_start|>assistant"]),
    (None, ["the tokenizer has no chat template", "| [user]"]),
    ("{{ raise_exception('no such turn') }}", ["refuses these messages: no such turn", "| [user]"]),
]


@pytest.mark.parametrize(("template", "words"), SHOWN)
def test_a_dry_run_shows_a_chat_as_the_models_own_template_renders_it(
    template: str | None, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = "solve --data_path rows.jsonl --output_path out.jsonl --use_chat_template --dry-run --model_path"
    assert main([*told.split(), str(folder_with(template))]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in [*words, "Find gcd(6, 4)."]), said
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize("verb", ["generate", "judge", "solve", "extract", "explain"])
def test_every_verb_that_asks_a_model_shows_its_first_prompt_and_asks_nobody(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = f"{verb} --data_path rows.jsonl --output_path out.jsonl --use_chat_template --dry-run"
    assert main([*told.split(), "--base-url", "http://127.0.0.1:1/v1", "--top_k", "5"]) == 0
    said = capsys.readouterr().out
    assert f"{verb}" in said
    assert "the only model at http://127.0.0.1:1/v1" in said
    assert "top_k 5" in said
    assert "| [user]" in said
    assert not list(Path().glob("out*"))


def test_a_run_and_an_evaluation_show_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_with(CHATML)
    assert main(f"run --dry-run --set generate.model={folder} --set generate.chat=true".split()) == 0
    assert "| <|im_start|>user" in capsys.readouterr().out
    assert main(f"eval --dry-run --model {folder} --set model.chat=true --limit-rows 1".split()) == 0
    said = capsys.readouterr().out
    assert "| <|im_start|>user" in said
    assert "note:" not in said


MISFITS = [
    ("a raw prompt for a model with a template", CHATML, [], "--set model.chat=true"),
    ("a chat for a model without one", None, ["model.chat=true"], "--set model.chat=false"),
    ("marks that the tokenizer does not know", CHATML, ["style=deepseek-r1", "prompts=math"], "<｜User｜>"),
    ("marks within a turn", CHATML, ["style=qwq", "prompts=math", "model.chat=true"], "contains turn markers"),
]


@pytest.mark.parametrize(("template", "changes", "words"), [c[1:] for c in MISFITS], ids=[c[0] for c in MISFITS])
def test_eval_says_what_does_not_fit_the_tokenizer(
    template: str | None, changes: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [word for change in changes for word in ("--set", change)]
    assert main(["eval", "--dry-run", "--limit-rows", "1", "--model", str(folder_with(template)), *sets]) == 0
    [said] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note:")]
    assert words in said


def test_what_an_output_holds_depends_on_no_dry_run() -> None:
    server = Sent("m")
    assert server.runs_command("solve --data_path rows.jsonl --output_path out.jsonl") == 0
    assert len(list(read_rows(Path("out.jsonl")))) == 1
    assert "dry_run" not in json.loads(Path("out.recipe.json").read_bytes())["recipe"]


NOTED = [
    ("--set generate.base_url=http://h/v1 --set generate.model=m", True),
    ("--set generate.base_url=http://h/v1", False),  # `nano:generator` is sent to no server that does not list it
    ("--set generate.model=my/generator", False),
    ("", False),
]


@pytest.mark.parametrize(("options", "noted"), NOTED)
def test_a_run_says_so_when_a_server_is_asked_in_the_words_of_nano(
    options: str, noted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--dry-run", *options.split()]) == 0
    assert ("note: m at http://h/v1 gets nano's prompts" in capsys.readouterr().out) == noted


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("nano --base-url http://127.0.0.1:9/v1 --model m", True),
        ("nano --base-url http://127.0.0.1:9/v1 --model m --set prompts=math", False),
        ("nano --base-url http://127.0.0.1:9/v1", False),
        ("--base-url http://127.0.0.1:9/v1 --model m --benchmarks nano", False),
        ("", False),
    ],
)
def test_eval_says_that_a_servers_model_is_asked_in_the_words_of_the_embedded_ones(
    options: str, told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"eval --dry-run --limit-rows 1 {options}".split()) == 0
    assert ("note: m: this recipe has the prompt" in capsys.readouterr().out) is told


def test_eval_without_a_recipe_asks_a_servers_model_as_a_chat_for_a_box(capsys: pytest.CaptureFixture[str]) -> None:
    command = "eval --dry-run --limit-rows 1 --benchmarks nano --base-url http://127.0.0.1:9/v1"
    assert main(f"{command} --model m".split()) == 0
    said = capsys.readouterr().out
    assert "recipe endpoint" in said
    assert "\\boxed" in said
    assert main(f"{command} --model nano:solver".split()) == 0
    assert "recipe nano" in capsys.readouterr().out
