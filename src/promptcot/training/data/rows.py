"""Reads training rows from files, or from a Hub dataset at its commit.

Rows of known data sets are first converted to messages (`core.columns`). `reading` decides which texts a row holds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from promptcot.core.columns import Columns
from promptcot.errors import InputError
from promptcot.records import Row
from promptcot.storage.paths import SUFFIXES, expanded, url_of
from promptcot.storage.rows import read_rows, with_ids
from promptcot.storage.sources import is_file, on_disk
from promptcot.training.data.reading import Example, Reader, Rejected
from promptcot.training.data_recipe import Data

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def examples(data: Data, tokenizer: Any, tell: Callable[[str], None] | None = None) -> Iterator[Example | Rejected]:
    """All rows, one at a time, at most `data.limit`. Raises InputError.

    `tell` receives the mapping of columns.
    """
    yield from map(Reader(data, tokenizer), with_ids(islice(_rows(data, tell or _silent), data.limit)))


def look(data: Data) -> None:
    """Check that all files exist, and that datasets of the Hub are pinned; nothing is read or downloaded. Raises
    InputError.
    """
    for path in data.path:
        if not _is_file(path):
            _pinned(path, data)
        elif not is_file(_place(path)):
            raise InputError(f"{path}: no such file")


def fingerprint(data: Data) -> dict[str, str]:
    """The identity of the rows, for noticing changes: a file's SHA-256, a dataset's revision. Raises InputError."""
    return {path: _sha256(on_disk(_place(path))) if _is_file(path) else _pinned(path, data) for path in data.path}


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _place(path: str) -> Path:
    return expanded(path)


def _is_file(path: str) -> bool:
    """Whether the names are files and not a dataset of the Hub. Raises InputError if they can be neither."""
    if _place(path).exists() or path.endswith(SUFFIXES) or url_of(path) is not None:
        return True
    if not _HUB_NAME.fullmatch(path):
        raise InputError(f"{path}: neither a file of rows ({', '.join(SUFFIXES)}) nor OWNER/NAME on the Hub")
    return False


def on_the_hub(path: str) -> bool:
    """Whether the name is a dataset of the Hub."""
    try:
        return not _is_file(path)
    except InputError:
        return False


def _pinned(name: str, data: Data) -> str:
    """The revision of the one dataset of the Hub. Raises InputError."""
    if data.revision is None or not _COMMIT.fullmatch(data.revision):
        raise InputError(
            f"{name}: no such file, so it is taken as a dataset of the Hub, which needs data.revision (in data.mix: "
            "revision beside its path): the full commit, 40 hex digits, as its history on the Hub shows it; "
            f"data.revision is {data.revision!r}"
        )
    if len([path for path in data.path if not _is_file(path)]) > 1:
        raise InputError("data.path names several datasets of the Hub, but data.revision applies to one only")
    return data.revision


def _silent(line: str) -> None:
    """Ignores the message."""


def _rows(data: Data, tell: Callable[[str], None]) -> Iterator[Row]:
    return rows_of(data, tell, Columns.chats)


def rows_of(
    data: Data, tell: Callable[[str], None], way: Callable[[Columns, Iterator[Row]], Iterator[Row]]
) -> Iterator[Row]:
    """The rows of all files and datasets, each file read in a `way` of `Columns`. Raises InputError."""
    for path in data.path:
        found = read_rows(on_disk(_place(path))) if _is_file(path) else _from_hub(path, data)
        yield from way(Columns(data.columns, _of_file(path, tell)), found)


def _of_file(path: str, tell: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: tell(f"{path}: {line}")


def _from_hub(name: str, data: Data) -> Iterator[Row]:
    """The rows of a dataset, downloaded unless cached; they are on disk and read one at a time."""
    revision = _pinned(name, data)
    try:
        import datasets
    except ImportError as error:
        raise InputError(f"{name}: datasets of the Hub need: pip install 'promptcot[hub]'; or give a file") from error
    try:
        loaded = datasets.load_dataset(name, revision=revision, split=data.split, streaming=False)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        short = str(error).strip().partition("\n")[0].rstrip(".")
        raise InputError(
            f"{name}, revision {revision[:8]}, split {data.split!r}: cannot be loaded: {short}. Without a network, or "
            "with HF_HUB_OFFLINE=1, it must be in the Hub's cache; or give the path of a file"
        ) from error
    for row in loaded:
        yield {field: value for field, value in row.items() if value is not None}
