"""Writes the folder of a new domain: the files of `_new`, with its name and its path filled in.

The new domain works unchanged with any server; its comments say what to change. docs/domains.md explains the files.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from promptcot import domains
from promptcot.errors import InputError, UsageError
from promptcot.storage.atomic import write_whole
from promptcot.storage.paths import PARTIAL

_TEMPLATES = Path(__file__).with_name("_new")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def write_domain(name: str, folder: Path) -> list[Path]:
    """Write the files of a domain called `name` into a new or empty folder. Returns their paths, the recipe's last.

    An interrupted call can be completed by calling again. Raises UsageError for an invalid name, InputError if the
    folder holds other files, StorageError.
    """
    if not _NAME.fullmatch(name):
        way_out = "; to write to another folder, use --output-dir" if Path(name).name != name else ""
        raise UsageError(
            f"{name!r} is not a valid name of a domain: use letters, digits, dots, dashes and underscores, "
            f"at most 100{way_out}"
        )
    if taken := next((one for one in (name, str(folder)) if one in domains.names()), None):
        raise UsageError(f"{taken} is a domain that ships with promptcot; give yours another name")
    place = str(folder)
    if not place.isprintable():
        raise UsageError(f"{place!r} contains characters that cannot be printed; use another folder (--output-dir)")
    filled = {"@NAME@": name, "@FOLDER@": json.dumps(place, ensure_ascii=False), "@SHELL@": shlex.quote(place)}
    sources = sorted(_TEMPLATES.iterdir(), key=_place)
    contents = {folder / source.name: _filled(source, filled) for source in sources}
    if folder.exists() and not _is_begun(folder, contents):
        raise InputError(f"{folder} already exists and is not empty; use another folder (--output-dir), or remove it")
    for path, content in contents.items():
        write_whole(path, content)
    return [*contents]


def _place(path: Path) -> tuple[bool, bool, str]:
    """The sort key of a file: tables after templates, and the recipe last."""
    return path.suffix == ".toml", path.name == "recipe.toml", path.name


def _filled(source: Path, values: Mapping[str, str]) -> bytes:
    text = source.read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text.encode()


def _is_begun(folder: Path, contents: Mapping[Path, bytes]) -> bool:
    """Whether a folder holds only some or all of these files, unchanged."""
    return folder.is_dir() and all(_is_ours(path, contents) for path in folder.iterdir())


def _is_ours(path: Path, contents: Mapping[Path, bytes]) -> bool:
    if path.name.endswith(PARTIAL):
        return path.with_name(path.name.removesuffix(PARTIAL)) in contents
    return path in contents and path.is_file() and path.read_bytes() == contents[path]
