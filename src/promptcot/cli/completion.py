"""Installs shell completion: click's script, in the file where each shell looks for it.

Changes no file of the user's own; the settings that a shell needs in addition are printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from promptcot.cli.help import SHELLS, YOURS
from promptcot.cli.report.completion import installed_lines
from promptcot.errors import UsageError
from promptcot.storage.atomic import write_whole

_PROGRAM, _VARIABLE = "promptcot", "_PROMPTCOT_COMPLETE"


def script(root: click.Command, shell: str) -> str:
    """The completion script for a shell; `YOURS` means the shell in use. Raises UsageError."""
    made = get_completion_class(_named(shell))
    assert made is not None, "click knows all three"
    return made(root, {}, _PROGRAM, _VARIABLE).source()


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
