"""A walk through a page of the documentation: files that it shows are written, commands that it shows are run.

A file is a block whose first line names it in a comment, `# file: NAME` or `{# file: NAME #}`. A command is the line
after `$ ` in a block of the kind `console`, and what follows in the block is what it prints; a line `…` stands for
lines that are left out. Where a page says port 8000, a server of the test is asked.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from promptcot.cli import main
from tests.programs import started

_BLOCK = re.compile(r"^```(?P<kind>console|toml|jinja|jsonl)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?:# file: (?P<plain>\S+)|\{# file: (?P<jinja>\S+) #\})\n")
_PORT = "127.0.0.1:8000"


@dataclass(frozen=True)
class Ran:
    """A command of the page, its exit code, what it printed, and what the page says that it prints."""

    command: str
    code: int
    printed: str
    shown: str


def walk(page: Path, command: list[str]) -> Iterator[Ran]:
    """Walk through a page in the current folder; `command` starts promptcot in a process of its own."""
    address = _PORT
    with ExitStack() as held:
        for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
            text = block["text"]
            if found := _FILE.match(text):
                Path(found["plain"] or found["jinja"]).write_text(text[found.end() :], encoding="utf-8")
            elif block["kind"] == "console":
                typed, _, shown = text.removeprefix("$ promptcot ").partition("\n")
                if typed.startswith("mock-server"):
                    words = [*command, *typed.replace("8000", "0").split()]
                    server = held.enter_context(started(words, stdout=subprocess.PIPE, text=True))
                    assert server.stdout is not None
                    said = server.stdout.readline()
                    address = said.partition("http://")[2].partition("/")[0]
                    yield Ran(typed, 0, said.replace(address, _PORT), shown)
                else:
                    yield _run(typed, shown, address)


def _run(typed: str, shown: str, address: str) -> Ran:
    with redirect_stdout(StringIO()) as printed:
        code = main(shlex.split(typed.replace(_PORT, address)))
    return Ran(typed, code, printed.getvalue().replace(address, _PORT), shown)


def fits(printed: str, shown: str) -> bool:
    """Whether what was printed is what the page shows; `…` alone on a line stands for lines that it leaves out."""
    pieces = ["\n".join(piece) for piece in _parted(shown.splitlines())]
    pattern = r"(?:.*\n)*".join(re.escape(f"{piece}\n") if piece else "" for piece in pieces)
    return re.fullmatch(pattern, printed) is not None


def _parted(lines: list[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for line in lines:
        if line.strip() == "…":
            yield part
            part = []
        else:
            part.append(line)
    yield part
