"""The provenance of a set, a model or an export: the format, hashes of recipe and data, the command.

Decides how recipes and files are hashed, and which parts of a command line are recorded. The caller chooses the files.
There is no timestamp, so that the same work gives the same bytes.
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
"""The format number of `set.jsonl`, whose fields are in docs/set.md. Fields may be added without a new number, but none
is renamed, removed or given another meaning or type."""
EXPORT_FORMAT = "promptcot-export/1"
"""The format of an exported folder: data files, export.json, which lists them, and a card."""
MODEL_FORMAT = "promptcot-model/1"
"""The format of a trained model's folder: weights in safetensors, tokenizer, configuration, and a card."""

_NOT_HASHED = ("format", "versions")
_PLAIN = re.compile(r"[\w@%+=:,./~-]+")

_command: ContextVar[str | None] = ContextVar("command", default=None)


@contextmanager
def commanded(arguments: Sequence[str]) -> Iterator[None]:
    """Within the block, provenance names this command line (without the program's name)."""
    token = _command.set(command_line(arguments))
    try:
        yield
    finally:
        _command.reset(token)


def command_line(arguments: Sequence[str]) -> str:
    """The command line as typed, without secrets and control characters, and with `~` for the home directory."""
    return " ".join(["promptcot", *map(_word, arguments)])


def _word(argument: str) -> str:
    argument = presentable(argument).replace("\n", "\\n")  # before quoting, because a secret may contain quotes
    text = without_home(argument)
    return text if _PLAIN.fullmatch(text) else shlex.quote(text)


def without_home(text: str) -> str:
    """The text with `~` for the home directory, wherever a path begins with it."""
    home = os.path.expanduser("~").rstrip(os.sep)
    return re.sub(rf"(?<![\w./~-]){re.escape(home)}/", "~/", text) if len(home) > 1 else text


def recipe_sha256(manifest: Mapping[str, Any]) -> str:
    """The hash of a `recipe.json`, without its `format` and `versions`, as JSON with sorted keys.

    It is the same on every machine and with every version that resolves the recipe in the same way.
    """
    recipe = {key: value for key, value in without_secrets(dict(manifest)).items() if key not in _NOT_HASHED}
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """The hash of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance(manifest: Mapping[str, Any], data: Mapping[str, Path], form: str | None = None) -> dict[str, Any]:
    """The provenance: `format`, `recipe_sha256`, `data_sha256` by name, `command`, `versions`.

    `manifest` is a `recipe.json`, `data` has finished files by their final names. Calls from Python have no `command`.
    `form` is None for files without a format number.
    """
    return {
        "format": form,
        "recipe_sha256": recipe_sha256(manifest),
        "data_sha256": {name: file_sha256(path) for name, path in data.items()},
        "command": _command.get(),
        "versions": dict(manifest.get("versions", {})),
    }


def command() -> str | None:
    """The current command line; None for calls from Python."""
    return _command.get()
