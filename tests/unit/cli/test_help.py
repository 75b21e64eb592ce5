"""Help: every verb has an example that works, every option a text, a value's name and a default, at any width."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest

from promptcot.cli import main
from promptcot.cli.help import Formatter, Verb, VerbGroup, grouped, metavar, record
from promptcot.cli.root import GROUPS, VERBS, root


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command by the words that choose it."""
    ctx = click.Context(root)
    for verb in VERBS:
        found = root.get_command(ctx, verb)
        assert found is not None, verb
        yield verb, found
        if isinstance(found, click.Group):
            yield from ((f"{verb} {name}", one) for name, one in found.commands.items())


ALL = dict(commands())
OPTIONS = {
    (words, param.opts[0]): (command, param)
    for words, command in ALL.items()
    for param in command.params
    if isinstance(param, click.Option) and not param.hidden
}


def context(command: click.Command, words: str = "") -> click.Context:
    return command.context_class(command, info_name=f"promptcot {words}", terminal_width=None)


def help_of(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*words.split(), "--help"]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("words", ALL)
def test_a_verb_has_an_example_that_parses(words: str) -> None:
    command = ALL[words]
    assert isinstance(command, Verb | VerbGroup), "declare it with cli.help.verb"
    program, *line = shlex.split(command.example)
    assert program == "promptcot"
    assert line[: len(words.split())] == words.split() or isinstance(command, VerbGroup)
    chosen, rest = ALL[line[0]], line[1:]
    if isinstance(chosen, click.Group):
        chosen, rest = chosen.commands[rest[0]], rest[1:]
    chosen.make_context(line[0], rest)


@pytest.mark.parametrize(("words", "name"), OPTIONS)
def test_an_option_has_a_text_a_metavar_and_a_default(words: str, name: str) -> None:
    command, option = OPTIONS[words, name]
    ctx = context(command)
    text = (option.help or "").strip()
    assert re.match(r"[A-Z`]", text), "a sentence"
    assert re.search(r"[.\]]$", text)
    if not metavar(option, ctx):
        assert option.is_flag or option.secondary_opts
        return
    assert metavar(option, ctx) not in ("TEXT", "PATH", "BOOLEAN", "FLAG") or name == "--stop"
    shown = record(option, ctx)[1]
    assert len(re.findall(r"default:|required", shown.rpartition("[")[2])) == 1, shown
    assert shown.count("[default:") <= 1
    assert shown.endswith("]")


@pytest.mark.parametrize("words", ALL)
def test_every_option_is_in_one_group(words: str) -> None:
    command = ALL[words]
    if isinstance(command, click.Group):
        return
    assert isinstance(command, Verb)
    ctx = context(command)
    groups = grouped(command.get_params(ctx), command.groups)
    shown = [option.opts for options in groups.values() for option in options]
    assert sorted(shown) == sorted(
        param.opts for param in command.get_params(ctx) if isinstance(param, click.Option) and not param.hidden
    )
    assert "Options" not in groups, "name the purpose of these: `verb(…, groups=…)`, or GROUPS in cli/help.py"
    named = {name for names in command.groups.values() for name in names}
    assert named <= {str(param.name) for param in command.params}, "groups name options that there are"


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("words", ALL)
def test_no_line_is_too_long_and_no_word_is_broken(
    words: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = help_of(words, capsys)
    assert said.isascii()
    explained = said if columns >= 60 else said.partition("\nExample:")[0]  # there a value stays with its option
    assert [line for line in explained.splitlines() if len(line) > min(columns, 110) and " " in line.strip()] == []
    assert [line for line in said.splitlines() if line != line.rstrip()] == []
    command, typed = ALL[words], set(said.split())
    ctx = context(command)
    for option in (param for param in command.params if isinstance(param, click.Option) and not param.hidden):
        for part in record(option, ctx):
            assert set(part.split()) <= typed, part


def test_without_a_terminal_help_is_100_columns_wide(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", _no_terminal)
    assert Formatter().width == 100
    widths = [len(line) for line in help_of("generate", capsys).splitlines()]
    assert 90 < max(widths) <= 100


def _no_terminal(*_: Any) -> os.terminal_size:
    raise OSError


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_has_every_verb_once_under_a_heading(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert len(re.findall(rf"^  {verb}  +\S", said, re.MULTILINE)) == 1
    assert all(f"\n{heading}:\n" in said for heading in GROUPS)


@pytest.mark.parametrize(("given", "is_on"), [([], True), (["--no-only-perfect"], False), (["--only_perfect"], True)])
def test_a_switch_is_a_flag_in_both_spellings(given: list[str], is_on: bool) -> None:
    assert _only_perfect(given) is is_on


@pytest.mark.parametrize("value", ["False", "false", "no", "0"])
def test_a_switch_takes_a_value_as_the_public_scripts_do(value: str) -> None:
    assert _only_perfect(["--only_perfect", value]) is False
    assert _only_perfect([f"--only-perfect={value}"]) is False


def _only_perfect(given: list[str]) -> Any:
    line = ["--template", "x.jsonl", "--output-path", "y.jsonl", *given]
    settings = root.context_settings
    return ALL["filter"].make_context("filter", line, **settings).params["only_perfect"]


def test_a_switch_is_shown_as_a_flag() -> None:
    command, option = OPTIONS["filter", "--only-perfect"]
    names, text = record(option, context(command))
    assert names == "--only-perfect / --no-only-perfect"
    assert text.endswith("[default:\N{NO-BREAK SPACE}only-perfect]")


@pytest.mark.parametrize(
    "settings", [{"PYTHONIOENCODING": "ascii"}, {"LANG": "C", "LC_ALL": "C"}, {"NO_COLOR": "1"}, {"TERM": "dumb"}]
)
def test_help_in_a_pipe_is_plain_text(settings: dict[str, str]) -> None:
    line = [sys.executable, "-c", "from promptcot.cli import main; main(['run', '--help'])"]
    done = subprocess.run(line, env={**os.environ, **settings}, capture_output=True, check=True)
    assert done.stdout.isascii()
    assert b"\x1b" not in done.stdout
    assert b"Usage: promptcot run [OPTIONS] [RECIPE]" in done.stdout


def test_colors_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[1mSampling:" in ALL["generate"].get_help(context(ALL["generate"]))
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in ALL["generate"].get_help(context(ALL["generate"]))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in ALL["generate"].get_help(context(ALL["generate"]))
