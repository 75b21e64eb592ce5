"""Names of files: the suffixes of row formats, companions of an output, and which paths stand for addresses."""

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
"""What is added to the name of a file for as long as it is not whole."""

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
"""The folders beside it, in which work that was interrupted goes on."""

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
    """The file of rows of an output, by which its companions are named: `X.jsonl` has the names of `X.safetensors`."""
    return output.with_suffix(".jsonl") if output.suffix == ".safetensors" else output


def companions(output: Path, kind: Kind) -> list[Path]:
    """The files that may lie beside an output."""
    rows = rows_of(output)
    return [*(beside(rows, name) for name in COMPANIONS.get(kind, ())), *([rows] if rows != output else [])]


def state(output: Path, kind: Kind) -> list[Path]:
    """The folders beside an output, in which work that was interrupted goes on."""
    return [beside(rows_of(output), name) for name in STATE.get(kind, ())]


def expanded(path: str | Path) -> Path:
    """The path with the home directory in the place of `~`; one of a user who does not exist stays as it is."""
    return Path(os.path.expanduser(path))


def url_of(path: str | Path) -> str | None:
    """The URL that a path stands for, if it is one; a `Path` has made one slash of several. `file://` is a local path.

    So a host or bucket must be named in a `Path`, as in `hdfs://HOST/…`; only fsspec's `local:///…` has none. Raises
    InputError for an address with a password or a key in it, which would be written down and printed.
    """
    text = str(path)
    found = _URL.match(text)
    if found is None or found[1].lower() == "file":
        return None
    if holds_credentials(text):
        raise InputError(
            "an address of a file holds no password and no key, since it is written down and printed: set them in the "
            "environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, GOOGLE_APPLICATION_CREDENTIALS, …)"
        )
    slashes = "///" if len(found[2]) == 3 or found[1] == "local" else "//"
    return f"{found[1]}:{slashes}{text[found.end() :]}"
