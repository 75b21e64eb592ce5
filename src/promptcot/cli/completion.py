"""Installs shell completion: click's script, in the file where each shell looks for it.

Changes no file of the user's own; the settings that a shell needs in addition are printed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

from promptcot.cli.help import COMPLETING, SHELLS, YOURS
from promptcot.cli.report.completion import installed_lines
from promptcot.errors import UsageError
from promptcot.storage.atomic import write_whole

_PROGRAM = "promptcot"
_BREAKS = re.compile("[:=]+")


@add_completion_class
class Bash(BashComplete):
    """Completion in bash, which splits words at `:` and `=`, as in `nano:solver` and `--runner=local`."""

    name = "bash"
    _before = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The complete words and the incomplete one, joined again where bash has split them."""
        words, last = super().get_completion_args()
        *words, incomplete = _joined([*words, last])
        head, colon, _ = incomplete.rpartition(":")
        self._before = f"{head.rpartition('=')[2]}{colon}" if incomplete != last else ""
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """A completion; bash replaces only what is typed behind the last `:`."""
        return f"{item.type},{str(item.value).removeprefix(self._before)}"


def _joined(words: list[str]) -> list[str]:
    joined: list[str] = []
    for word in words:
        is_next = bool(joined) and word != "" and joined[-1].endswith((":", "="))
        if joined and (_BREAKS.fullmatch(word) or is_next):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def script(root: click.Command, shell: str) -> str:
    """The completion script for a shell; `YOURS` means the shell in use. Raises UsageError."""
    made = get_completion_class(_named(shell))
    assert made is not None, "click knows all three"
    return made(root, {}, _PROGRAM, COMPLETING).source()


def install(root: click.Command, shell: str) -> Iterator[str]:
    """Write the script where the shell looks for it, unless it is there; returns lines to print. Raises UsageError."""
    name, text = _named(shell), script(root, shell)
    path = _file(name)
    is_new = not path.is_file() or path.read_bytes() != text.encode()
    if is_new:
        write_whole(path.resolve(), text.encode())  # a link stays one
    return installed_lines(name, path, is_new=is_new)


def _named(shell: str) -> str:
    found = Path(os.environ.get("SHELL", "")).name if shell == YOURS else shell
    if found not in SHELLS:
        raise UsageError(
            f"completion is available for {', '.join(SHELLS)}, and your shell is {found or 'unknown'} (the variable "
            "SHELL); name one, such as --install-completion bash"
        )
    return found


def _file(shell: str) -> Path:
    data, config = _base("XDG_DATA_HOME", ".local/share"), _base("XDG_CONFIG_HOME", ".config")
    return {
        "bash": data / "bash-completion/completions" / _PROGRAM,
        "zsh": data / "zsh/site-functions" / f"_{_PROGRAM}",
        "fish": config / "fish/completions" / f"{_PROGRAM}.fish",
    }[shell]


def _base(variable: str, default: str) -> Path:
    """A folder of the XDG Base Directory Specification, which says to ignore a relative path. Raises UsageError."""
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()
    if not home.is_absolute() or os.environ.get("HOME") == "":
        raise UsageError(
            f"completion cannot be installed: your home directory is unknown (the variable HOME); set it, or {variable}"
        )
    return home / default
