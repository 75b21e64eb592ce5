"""Foreign text on a terminal: no control sequence takes effect, and no text can imitate our own lines."""

from __future__ import annotations

import ast
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from promptcot.cli import main
from promptcot.cli.report.console import complain, say
from promptcot.errors import InputError, RequestRefused
from promptcot.printable import printable, quoted

SOURCE = Path(__file__).parents[2] / "src"
MAY_PRINT = {
    "cli/__init__.py": "one line of ours, while nothing else may be loaded any more",
    "cli/report/streams.py": "where lines are printed",
    "cli/report/terminal.py": "what Python prints by itself",
    "grading/worker.py": "a pipe to the process that started it",
}
JOINERS = "\u200c\u200d"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;PWNED\x07Find", "�Find"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "�link�"),
        ("\x1b[2J\x1b[1;31mred", "��red"),
        ("\x9b2Jx\x9d0;t\x9cy", "�x�y"),
        ("\x1b]0;no end\nof ours", "\\x1b]0;no end\nof ours"),
        ("100 %\rdone", "100 %\\x0ddone"),
        ("a\x00b\x08c\x7f\x85", "a\\x00b\\x08c\\x7f\\u0085"),
        ("abc\u202edef\u2066\u200e\u061c", "abc\\u202edef\\u2066\\u200e\\u061c"),
        ("one\u2028two\u2029", "one\\u2028two\\u2029"),
        ("half \ud800", "half \\ud800"),
        ("tag \U000e0041, zero\u200bwidth", "tag \\U000e0041, zero\\u200bwidth"),
        ("line\n\tindented, é, 数学, 👩\u200d🔬", "line\n\tindented, é, 数学, 👩\u200d🔬"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_text(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_no_control_surrogate_or_separator_of_lines_is_left() -> None:
    left = {letter for letter in printable("".join(map(chr, range(0x11000)))) if letter not in "\n\t"}
    assert not [letter for letter in left if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [letter for letter in left if unicodedata.bidirectional(letter)[:2] in ("LR", "RL", "PD", "FS")[:1]]


def test_a_quoted_text_is_one_line_and_bounded() -> None:
    assert quoted("a\nwritten: out.jsonl\x1b[2J") == "a written: out.jsonl�"
    assert len(quoted("x" * 10_000_000)) < 510


def test_lines_errors_and_usage_are_shown_without_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    say("\x1b[2J")
    complain("\x1b[2J")
    main(["solve", "--temperature", "\x1b[2J\u202e"])
    main(["\x1b]0;x\x07"])
    main(["grade", "--output_path", "no\x1b[2J.jsonl"])
    main(["run", "no\x1b[2J.toml", "--output-dir", "out\x1b[2J"])
    told = "".join(capsys.readouterr())
    assert told.count("�") >= 4
    assert not any(letter in told for letter in "\x1b\u202e\x07")


def test_colors_of_ours_reach_a_terminal_and_those_of_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdout", terminal)
    say("\x1b[31mred", "ok", "green")
    say("plain")
    assert terminal.getvalue() == "\x1b[32mok\x1b[0m�red\nplain\n"


def test_an_error_is_printable_by_whoever_shows_it() -> None:
    assert str(InputError("no \x1b[2J\ud800")) == "no �\\ud800"
    assert RequestRefused("x", cause="\x1b[2J").cause == "�"


def calls_that_print(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("print", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"):
                yield name


def test_one_place_prints() -> None:
    assert list(calls_that_print("import click\nclick.echo('x')\nprint(1)")) == ["click.echo", "print"]
    package = SOURCE / "promptcot"
    printing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if list(calls_that_print(path.read_text(encoding="utf-8")))
    }
    assert printing <= MAY_PRINT.keys()
    assert click.echo  # the name that is looked for
