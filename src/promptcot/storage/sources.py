"""Input files, local or remote.

Decides when pyarrow is needed, and where local copies of remote files are kept.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import IO

from promptcot.errors import InputError
from promptcot.storage.parquet import pyarrow
from promptcot.storage.paths import SUFFIXES, expanded, stem, url_of


def cache_folder() -> Path:
    """The cache folder: `$PROMPTCOT_CACHE`, else ~/.cache/promptcot."""
    return expanded(os.environ.get("PROMPTCOT_CACHE") or "~/.cache/promptcot")


def shown(path: str | Path) -> str:
    """The path or address as a person would write it; a `Path` merges several slashes into one."""
    return url_of(path) or str(path)


def is_file(path: str | Path) -> bool:
    """Whether there is such a file. Raises InputError for an unreachable address."""
    url = url_of(path)
    if url is None:
        return os.path.isfile(path)  # unlike Path.is_file, it accepts invalid names too
    pyarrow("lib")
    from promptcot.storage.remote import info_of

    return info_of(url)[1] is not None


def open_file(path: str | Path) -> IO[bytes]:
    """A file opened for reading. Raises InputError for an address that cannot be read."""
    url = url_of(path)
    if url is None:
        return Path(path).open("rb")
    pyarrow("lib")
    from promptcot.storage.remote import open_remote

    return open_remote(url)


def on_disk(path: str | Path) -> Path:
    """The file itself, or a local copy of a remote file, which is reused while that stays the same.

    Raises InputError.
    """
    url = url_of(path)
    if url is None:
        return Path(path)
    name = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    return fetched(url, cache_folder() / "fetched" / name)


def result_on_disk(path: str | Path) -> Path:
    """An output with its companions, or a run directory: itself, or a local copy if it is remote.

    Journals are not uploaded, so a copy has none. Raises InputError.
    """
    url = url_of(path)
    if url is None:
        return Path(path)
    pyarrow("lib")
    from promptcot.storage.remote import info_of

    name, is_file = Path(url).name, url.endswith(SUFFIXES)
    place = info_of(url)[0]
    there = (place.parent if is_file else place).files("")
    ours = [file for file in there if not is_file or file == name or file.startswith(f"{stem(Path(name))}.")]
    if not ours:
        raise InputError(f"{url}: no such file or directory")
    folder = cache_folder() / "fetched" / hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    root = url.rpartition("/")[0] if is_file else url.rstrip("/")
    for file in ours:
        fetched(f"{root}/{file}", folder)
    for left in folder.iterdir():  # files of an earlier copy
        if left.name not in ours and left.suffix in (".json", ".jsonl", ".zst", ".parquet"):
            left.unlink(missing_ok=True)
    return folder / name if is_file else folder


def fetched(url: str, folder: Path) -> Path:
    """A copy of a remote file in a folder. Raises InputError."""
    pyarrow("lib")
    from promptcot.storage.remote import fetch

    return fetch(url, folder)


def refuse_address(path: str | Path, what: str) -> None:
    """Raises InputError if an address is given for a path that must be local."""
    if (url := url_of(path)) is not None:
        raise InputError(f"{url}: a remote address, but {what} must be on this machine; copy it here and give its path")
