"""Writes the folder of a new domain: what lies in `_new`, with its name and its place filled in.

Everything in it works as it is, with any server; its comments say what to change. What the files are for is in
docs/domains.md.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from promptcot import domains
from promptcot.errors import InputError, UsageError
from promptcot.storage.atomic import write_whole

_TEMPLATES = Path(__file__).with_name("_new")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def write_domain(name: str, folder: Path) -> list[Path]:
    """Write the files of a domain called `name` into a folder that is new or empty; their paths, the recipe's last.

    Raises UsageError for a name that cannot be one, InputError where the folder holds something, StorageError.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a domain: it has letters, digits, dots, dashes and underscores")
    if taken := next((one for one in (name, str(folder)) if one in domains.names()), None):
        raise UsageError(f"{taken} is a domain that ships with promptcot; give yours another name")
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder}: there is something already; take another folder (--output-dir), or remove it")
    place = str(folder)
    if not place.isprintable():
        raise UsageError(f"{place!r} holds characters that cannot be shown; take another folder (--output-dir)")
    filled = {"@NAME@": name, "@FOLDER@": json.dumps(place, ensure_ascii=False), "@SHELL@": shlex.quote(place)}
    sources = sorted(_TEMPLATES.iterdir(), key=lambda path: (path.suffix == ".toml", path.name))
    return [_write(source, folder / source.name, filled) for source in sources]


def _write(source: Path, target: Path, filled: dict[str, str]) -> Path:
    text = source.read_text(encoding="utf-8")
    for mark, value in filled.items():
        text = text.replace(mark, value)
    write_whole(target, text.encode())
    return target
