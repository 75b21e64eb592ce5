"""File names: the suffixes of row formats, the companions of an output, and which paths are remote addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from promptcot.errors import InputError
from promptcot.redaction import holds_credentials

SUFFIXES = (".jsonl", ".jsonl.zst", ".parquet")
PARTIAL = ".partial"
"""The suffix of a file that is not complete."""

Kind = Literal["file", "plain", "folder", "either", "read", "export"]
"""A file of rows or vectors with its companions; a file alone; a folder; a file of rows or a folder, by the name; a
file that is read, with results beside it; a folder that is replaced as a whole, with companions beside it."""
COMPANIONS: Mapping[Kind, tuple[str, ...]] = {
    "file": ("dropped.jsonl", "failed.jsonl", "recipe.json", "summary.json"),
    "read": ("grades.json", "grades.failed.jsonl"),
    "export": ("dropped.jsonl", "recipe.json", "summary.json"),
}
"""The files that may lie beside an output of a kind."""
STATE: Mapping[Kind, tuple[str, ...]] = {"file": ("journal",), "read": ("grades",), "export": ("labels",)}
"""The folders beside it, from which interrupted work is resumed."""

_URL = re.compile(r"([a-z][a-z0-9+.-]+):(/{1,3})(?=[^/])", re.IGNORECASE)


def stem(path: Path) -> str:
    """The file's name without its row format: `a.b.jsonl.zst` gives `a.b`."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.name


def beside(path: Path, kind: str) -> Path:
    """A companion of an output: `beside(X.jsonl, "failed.jsonl")` is `X.failed.jsonl`."""
    return path.with_name(f"{stem(path)}.{kind}")


def rows_of(output: Path) -> Path:
    """The file of rows of an output, which names its companions: `X.jsonl` has the names of `X.safetensors`."""
    return output.with_suffix(".jsonl") if output.suffix == ".safetensors" else output


def companions(output: Path, kind: Kind) -> list[Path]:
    """The files that may lie beside an output."""
    rows = rows_of(output)
    return [*(beside(rows, name) for name in COMPANIONS.get(kind, ())), *([rows] if rows != output else [])]


def state(output: Path, kind: Kind) -> list[Path]:
    """The folders beside an output, from which interrupted work is resumed."""
    return [beside(rows_of(output), name) for name in STATE.get(kind, ())]


def expanded(path: str | Path) -> Path:
    """The path with `~` replaced by the home directory; `~` with an unknown user is kept."""
    return Path(os.path.expanduser(path))


def url_of(path: str | Path) -> str | None:
    """The URL that a path stands for, if it is one. `file://` is a local path. A `Path` merges several slashes into
    one.

    Therefore a `Path` must name a host or bucket, as in `hdfs://HOST/…`; only fsspec's `local:///…` has none. Raises
    InputError for an address with a password or a key, which would be stored and printed.
    """
    text = str(path)
    match = _URL.match(text)
    if match is None or match[1].lower() == "file":
        return None
    if holds_credentials(text):
        raise InputError(
            "a file's address must not contain a password or a key, because it is stored and printed: set them in the "
            "environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS, …)"
        )
    slashes = "///" if len(match[2]) == 3 or match[1] == "local" else "//"
    return f"{match[1]}:{slashes}{text[match.end() :]}"
