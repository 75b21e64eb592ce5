"""Names of files: the suffixes of row formats, companions of an output, and which paths stand for addresses."""

from __future__ import annotations

import re
from pathlib import Path

from promptcot.errors import InputError
from promptcot.redaction import holds_credentials

SUFFIXES = (".jsonl", ".jsonl.zst", ".parquet")


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
