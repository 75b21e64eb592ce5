"""`--json`: one object on standard output for every verb, text on standard error, and no word lost of either."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from promptcot.cli import main
from promptcot.cli.report.result import RESULT, SCHEMA
from promptcot.cli.root import COMMANDS, VERBS, root
from tests.fuzz.good import BASES, fill

_LINES = [
    pytest.param(line, id=f"{verb}-{number}")
    for verb, lines in BASES.items()
    if verb != "mock-server"
    for number, line in enumerate(lines)
]
_BESIDE = ("summary.json", "results.json")


@pytest.fixture(autouse=True)
def _among_good_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path)


def ran(line: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str, int]:
    """The object, what standard error got, and the exit code."""
    code = main([*line, "--json"])
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=pytest.fail), err, code


@pytest.mark.parametrize("line", _LINES)
def test_every_verb_prints_one_object(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found, err, code = ran(line, capsys)
    assert (found["schema"], found["exit_code"]) == (SCHEMA, code)
    assert found["command"].split()[0] == line[0]
    assert ("error" in found) == (code in (1, 2) and not found["warnings"] and not found.get("problems"))
    assert err.strip()
    assert all(Path(path).exists() for path in found["files"])
    for path in map(Path, found["files"]):
        if path.name.endswith(_BESIDE):
            assert found.items() >= json.loads(path.read_bytes()).items()


def test_no_verb_is_left_out() -> None:
    assert set(BASES) == set(VERBS)


def test_no_command_of_a_group_is_left_out() -> None:
    found = {verb: root.get_command(click.Context(root), verb) for verb in VERBS}
    groups = {verb: tuple(one.commands) for verb, one in found.items() if isinstance(one, click.Group)}
    assert {verb: set(names) for verb, names in groups.items()} == {
        verb: set(names) for verb, names in COMMANDS.items()
    }


def test_text_is_the_same_as_without(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["filter", "--template", "judged-{}.jsonl", "--n-rewards", "2", "--output-path", "out.jsonl"]
    main(line)
    plain = capsys.readouterr().out
    found, err, _ = ran(line, capsys)
    assert err == plain
    assert found["stages"]["filter"]["in"] == 3
    assert found["agreement"][0]["judges"] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "kind", "code", "command"),
    [
        (["sample", "--data-size", "x"], "UsageError", 2, "sample"),
        (["train_rows", "--no-such-option"], "UsageError", 2, "train-rows"),
        (["nosuch"], "UsageError", 2, None),
        (["solve", "--data-path", "none.jsonl", "--output-path", "x.jsonl"], "InputError", 1, "solve"),
        (["run", "nano", "--set", "no.such=1"], "RecipeError", None, "run"),
    ],
)
def test_an_error_is_an_object_too(
    line: list[str], kind: str, code: int | None, command: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    found, err, ended = ran(line, capsys)
    assert (found["error"]["kind"], found["command"], found["exit_code"]) == (kind, command, ended)
    assert found["error"]["message"].splitlines()[0] in err
    assert code is None or ended == code


@pytest.mark.parametrize(
    "line",
    [
        ["grade", "--verifier", "nosuch_module:Verifier", "--output-path", "x.jsonl", "--json"],
        ["solve", "--json", "--data-path"],
        ["chain", "fresh", "--json", "--no-such"],
    ],
)
def test_an_error_before_the_option_is_parsed_is_an_object_too(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(line)
    found = json.loads(capsys.readouterr().out)
    assert (found["exit_code"], found["command"]) == (code, " ".join(line[: 2 if line[0] == "chain" else 1]))
    assert found["error"]["message"]


def test_an_interruption_while_a_verb_is_imported_is_an_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("promptcot.cli.addresses.with_addresses", interrupted)
    assert main(["sample", "--json"]) == 130
    found = json.loads(capsys.readouterr().out)
    assert (found["error"]["kind"], found["exit_code"], found["command"]) == ("Interrupted", 130, "sample")


@pytest.mark.parametrize("where", ["promptcot.cli.main", "promptcot.cli.report.terminal.guard"])
def test_an_interruption_outside_of_the_command_is_an_object(where: str, tmp_path: Path) -> None:
    program = (
        "import sys, promptcot.cli, promptcot.cli.report.terminal\ndef interrupted(*_):\n    raise KeyboardInterrupt\n"
        f"{where} = interrupted\nsys.exit(promptcot.cli.program(['nano', 'path', 'solver', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    found = json.loads(done.stdout)
    assert (done.returncode, found["exit_code"], found["command"]) == (130, 130, "nano path")
    assert done.stderr.startswith("Interrupted.")


def test_numbers_of_numpy_are_numbers_and_half_a_surrogate_pair_is_an_escape(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def path(_: str) -> str:
        RESULT.add(count=np.int64(3), share=np.float32(0.5), none=np.float64("nan"), name="a\udc80")
        return "x"

    monkeypatch.setattr("promptcot.cli.nano.nano.path", path)
    found, _, _ = ran(["nano", "path", "solver"], capsys)
    assert (found["count"], found["share"], found["none"], found["name"]) == (3, 0.5, None, "a\\udc80")


def test_no_secret_and_no_control_character_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    name = "a\x9b31m\u202e-sk-abcdefghijklmnop1234.jsonl"
    found, _, _ = ran(["solve", "--data-path", name, "--output-path", "x.jsonl"], capsys)
    main(["solve", "--data-path", name, "--output-path", "x.jsonl", "--json"])
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.rstrip("\n").isprintable()
    assert "sk-abc" not in found["error"]["message"]


def test_an_unexpected_error_is_told_before_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr("promptcot.cli.nano.nano.path", broken)
    with pytest.raises(ZeroDivisionError):
        main(["nano", "path", "solver", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["error"] == {"kind": "ZeroDivisionError", "message": "of our own"}


def test_help_stays_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "--json", "--help"]) == 0
    assert "--data-size" in capsys.readouterr().out


def test_the_next_command_prints_text_again(capsys: pytest.CaptureFixture[str]) -> None:
    ran(["nano", "path", "solver"], capsys)
    main(["nano", "path", "solver"])
    assert capsys.readouterr().out.rstrip().endswith("solver")


def test_what_a_child_process_prints_goes_to_standard_error(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\nfrom promptcot.cli import main, nano\n"
        "def path(role):\n    subprocess.run(['echo', 'child'], check=True); print('library')\n    return role\n"
        "nano.nano.path = path\nsys.exit(main(['nano', 'path', 'solver', '--json']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout)["path"] == "solver"
    assert set(done.stderr.split()) == {"child", "library", "solver"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is always full is Linux's")
def test_a_full_standard_output_is_told(tmp_path: Path) -> None:
    script = '"$0" -m promptcot nano path solver --json > /dev/full'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert "could not be written" in done.stderr


def test_the_mock_server_prints_its_address_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "promptcot", "mock-server", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        assert server.stdout is not None
        found = json.loads(server.stdout.readline())
        os.kill(server.pid, signal.SIGINT)
        rest, err = server.communicate(timeout=120)
    assert found["url"].startswith("http://127.0.0.1:")
    assert (found["exit_code"], rest) == (None, "")
    assert "0 calls" in err
