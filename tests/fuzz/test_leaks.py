"""An API key reaches no file, message or terminal, whatever repeats it and wherever it was typed."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import promptcot
from promptcot import redaction
from promptcot.cli import main
from promptcot.errors import EngineError, RequestRefused
from tests.fuzz.leaks import KEY, SERVERS, SOLVE, TYPED, Answer, found, serving
from tests.programs import finished

RECIPE = f"""
[server]
base_url = "http://127.0.0.1:9/v1"
api_key_env = "{KEY}"
[[judge]]
name = "a"
"""


@pytest.fixture(autouse=True)
def _materials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Path("in.jsonl").write_text('{"id": "p", "problem": "What is 2 + 2?"}\n')
    monkeypatch.setattr("promptcot.runners.retries.Retries.delay", lambda *_: None)  # nothing is asked again
    before = set(redaction._remembered)
    yield
    redaction._remembered.clear()
    redaction._remembered.update(before)


def printed(capfd: pytest.CaptureFixture[str]) -> str:
    return "\n".join(capfd.readouterr())


@pytest.mark.parametrize("answer", SERVERS.values(), ids=SERVERS)
def test_a_key_that_a_server_repeats_is_found_nowhere(
    answer: Answer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving() as (url, answers):
        answers(answer)
        code = main([*SOLVE.split(), "--base-url", url, "--api-key-env", "OPENAI_API_KEY"])
    assert code in (0, 1, 3)
    assert found(tmp_path, printed(capfd)) == []


@pytest.mark.parametrize("command", TYPED.values(), ids=TYPED)
def test_a_key_that_somebody_types_is_found_nowhere(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")  # no help from the environment
    recipe = tmp_path.parent / f"{tmp_path.name}.toml"
    recipe.write_text(RECIPE)
    with serving() as (url, _):
        words = [word.replace("URL", url).replace("QUOTED", quote(KEY, safe="")) for word in command.split()]
        code = main([word.replace("KEY", KEY).replace("mine.toml", str(recipe)) for word in words])
    assert code in (1, 2)
    assert found(tmp_path, printed(capfd)) == []


@pytest.mark.parametrize("name", ["bad request", "key is wrong", "no message", "models", "header that is none", "page"])
def test_an_error_of_the_api_holds_no_key_nor_do_its_causes(name: str, tmp_path: Path) -> None:
    with serving() as (url, answers):
        answers(SERVERS[name])
        model = promptcot.Model(model="m", base_url=[url], chat=True)
        rows = [{"problem": "What is 2 + 2?"}]
        try:
            solved = promptcot.solve(rows, model=model)
            told = json.dumps([repr(solved), list(solved.failed), list(solved.dropped), repr(model)], default=str)
        except promptcot.PromptCoTError as error:
            told = "".join(traceback.format_exception(error))
            link: BaseException | None = error
            while link is not None:
                told += f"{link!r} {link}"
                link = link.__cause__ or link.__context__
    assert found(tmp_path, told) == []


def test_a_settings_error_does_not_repeat_what_was_typed() -> None:
    with pytest.raises(ValueError, match="not the key itself") as caught:
        promptcot.Model(model="m", base_url=[f"http://user:{KEY}@host/v1"], api_key_env=KEY)
    assert KEY[:8] not in "".join(traceback.format_exception(caught.value))


def test_a_password_of_a_proxy_is_found_nowhere(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with serving() as (url, answers):
        answers(SERVERS["bad request in base64"])
        monkeypatch.setenv("http_proxy", f"http://user:{quote(KEY, safe='')}@{url[7:-3]}")
        assert main([*SOLVE.split(), "--base-url", "http://elsewhere.invalid/v1"]) in (1, 3)
    assert found(tmp_path, printed(capfd)) == []


def test_an_engine_of_ones_own_cannot_say_a_key_in_an_error() -> None:
    class Own(EngineError):
        pass

    error = Own(f"not {KEY}", cause=KEY)
    assert KEY[:8] not in f"{error} {error!r} {error.cause} {RequestRefused(KEY)}"


def test_what_python_and_libraries_print_holds_no_key_and_no_escape() -> None:
    program = (
        "import logging, sys, warnings, threading, os\n"
        "from promptcot.cli.report.terminal import guard\n"
        "guard(); key = os.environ['OPENAI_API_KEY']; bad = f'{key} \\x1b[2J'\n"
        "warnings.warn(bad); logging.getLogger('any').error(bad)\n"
        "def fail(): raise OSError(bad)\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join()\n"
        "print('caf\\u00e9 \\ud800')\n"
        "try:\n    fail()\nexcept OSError as error:\n    raise ValueError(bad) from error\n"
    )
    environment = {**os.environ, "OPENAI_API_KEY": KEY, "PYTHONIOENCODING": "ascii"}
    Path("program.py").write_text(program)
    done = finished([sys.executable, "program.py"], env=environment)
    assert done.returncode == 1, done.stderr
    assert done.stdout == "caf\\xe9 \\ud800\n"
    assert done.stderr.count("***") >= 5
    assert KEY[:8] not in done.stderr
    assert "\x1b" not in done.stderr
