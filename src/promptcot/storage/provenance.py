"""What a set, a model or an export says of how it was made: the format, hashes of recipe and data, the command.

Decides how recipes and files are hashed, and what of a command line is written down. Which files are meant is for the
caller. Nothing here tells the time, so that the same work leaves the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from promptcot.printable import presentable
from promptcot.storage.atomic import without_secrets

SET_FORMAT = "promptcot-set/1"
"""The form of `set.jsonl`: docs/set.md has its fields. Fields may be added under this number; none is renamed, left
out or given another meaning or type."""
EXPORT_FORMAT = "promptcot-export/1"
"""The form of an exported folder: data files, export.json, which names them, and a card."""
MODEL_FORMAT = "promptcot-model/1"
"""The form of a trained model's folder: weights in safetensors, tokenizer, configuration, and a card with this name."""

_NOT_HASHED = ("format", "versions")
_PLAIN = re.compile(r"[\w@%+=:,./~-]+")

_command: ContextVar[str | None] = ContextVar("command", default=None)


@contextmanager
def commanded(arguments: Sequence[str]) -> Iterator[None]:
    """While this holds, what is made is made by this command line (without the program's name)."""
    token = _command.set(command_line(arguments))
    try:
        yield
    finally:
        _command.reset(token)


def command_line(arguments: Sequence[str]) -> str:
    """The command line as one would type it, without secrets and control characters, and with `~` for the home."""
    return " ".join(["promptcot", *map(_word, arguments)])


def _word(argument: str) -> str:
    argument = presentable(argument).replace("\n", "\\n")  # before it is quoted: a secret may have quotes in it
    text = without_home(argument)
    return text if _PLAIN.fullmatch(text) else shlex.quote(text)


def without_home(text: str) -> str:
    """The text with `~` for the home directory, wherever a path in it begins with that."""
    home = os.path.expanduser("~").rstrip(os.sep)
    return re.sub(rf"(?<![\w./~-]){re.escape(home)}/", "~/", text) if len(home) > 1 else text


def recipe_sha256(manifest: Mapping[str, Any]) -> str:
    """The hash of a `recipe.json`: of all that it says but its `format` and `versions`, as JSON with sorted keys.

    So it is the same on every machine and with every version that resolves the recipe alike.
    """
    told = {key: value for key, value in without_secrets(dict(manifest)).items() if key not in _NOT_HASHED}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """The hash of a file's bytes, read a piece at a time."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance(manifest: Mapping[str, Any], data: Mapping[str, Path], form: str | None = None) -> dict[str, Any]:
    """What is written down of what was made: `format`, `recipe_sha256`, `data_sha256` by name, `command`, `versions`.

    `manifest` is a `recipe.json`, `data` are finished files by the names that they get. No `command` is known where
    Python called. `form` is None for files that have no format with a number.
    """
    return {
        "format": form,
        "recipe_sha256": recipe_sha256(manifest),
        "data_sha256": {name: file_sha256(path) for name, path in data.items()},
        "command": _command.get(),
        "versions": dict(manifest.get("versions", {})),
    }


def command() -> str | None:
    """The command line that is running; None where Python called."""
    return _command.get()
