"""The text printed when shell completion is installed."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path


def installed_lines(shell: str, path: Path, *, is_new: bool) -> Iterator[str]:
    """The path of the script, the next steps, and how to undo it."""
    yield f"{'written' if is_new else 'already installed'}: {path}"
    if shell == "bash":
        yield "next:    open a new shell. If the package bash-completion is not installed, add this line to ~/.bashrc:"
        yield f"  source {shlex.quote(str(path))}"
    elif shell == "zsh":
        yield "next:    add these lines to ~/.zshrc, before any other call of compinit, and open a new shell:"
        yield f"  fpath=({shlex.quote(str(path.parent))} $fpath)"
        yield "  autoload -Uz compinit && compinit"
    else:
        yield "next:    open a new shell"
    yield "undo:    remove this file"
