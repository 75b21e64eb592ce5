"""Domains: the kinds of problems that can be generated. Each is a folder; this module loads it.

A folder holds `CONVERSATION.jinja` for each conversation (`generate`, `judge`, `solve`, and others that its stages
need), optionally `CONVERSATION.system.jinja`, the judges' `criteria.toml`, the verifiers' `verify.toml`, and
`domain.toml` with levels, sizes, blocks and verifier. Missing keys or a missing `domain.toml` take the values
of `math`. A new domain is a new folder, in any place, and needs no change in the code (docs/domains.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from promptcot.core.domains import Domain, domain_of, read_table
from promptcot.core.parsing.blocks import shows_others
from promptcot.core.prompts import CRITERIA, VERIFICATION, PromptSet, compile_prompts
from promptcot.errors import InputError

DEFAULT = "math"
"""The default domain."""
SETTINGS = "domain.toml"
CATALOGUES = ("contest", "nano")
"""The names of the concept catalogues that ship with promptcot."""
_SHIPPED = Path(__file__).parent
_NEVER_ASKED = "generate.system.jinja"
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_REQUIRED = ("generate.jinja", "judge.jinja", CRITERIA)


def names() -> list[str]:
    """The names of the domains that ship with promptcot."""
    return sorted(path.parent.name for path in _SHIPPED.glob(f"[a-z]*/{CRITERIA}"))


def exists(domain: str | Path) -> bool:
    """Whether there is a shipped domain with this name or a local folder at this path."""
    return os.path.isdir(folder_of(domain))


def folder_of(domain: str | Path) -> Path:
    """The folder of a domain: a shipped one, by name, or else a local one, by path (`./math`)."""
    return _SHIPPED / str(domain) if str(domain) in names() else Path(domain)


def load(domain: str | Path) -> PromptSet:
    """The prompts of a shipped domain, by name, or of a local folder, by path (`./math` for a folder called math).

    Raises InputError if there is no such domain, a file is missing or unreadable, or one of them cannot be parsed.
    """
    folder = _existing(domain)
    missing = [name for name in _REQUIRED if not (folder / name).is_file()]
    if missing:
        raise InputError(f"prompts {domain}: the folder lacks {', '.join(missing)}")
    paths = sorted([*folder.glob("*.jinja"), folder / CRITERIA])
    if os.path.lexists(folder / VERIFICATION):
        paths.append(folder / VERIFICATION)
    own = str(domain) not in names() and os.path.lexists(folder / SETTINGS)
    if own:
        paths.append(folder / SETTINGS)  # also in the manifest; a shipped one is identified by the version
    sources, found = {path.name: _read(path) for path in paths}, settings(domain)
    if own:
        if _NEVER_ASKED in sources:
            raise InputError(
                f"prompts {domain}: {_NEVER_ASKED} would never be used, because rows carry the prompt as one "
                "text; move its content into generate.jinja"
            )
        _check_markers(sources["generate.jinja"], found, f"prompts {domain}: generate.jinja")
    return compile_prompts(str(domain), sources, found)


def settings(domain: str | Path) -> Domain:
    """The settings of a domain: levels, sizes, blocks, verifier; `concepts` as a path, or a catalogue's name.

    Raises RecipeError with all mistakes of its `domain.toml`, InputError if there is no such domain.
    """
    path = _existing(domain) / SETTINGS
    if not os.path.lexists(path):
        return _default()
    where = f"prompts {domain}: {SETTINGS}"
    found = domain_of({**_table_of_default(), **read_table(_read(path), where)}, where)
    if found.concepts is None or found.concepts in CATALOGUES:
        return found
    return found.model_copy(update={"concepts": str(path.parent / found.concepts)})


def _existing(domain: str | Path) -> Path:
    folder = folder_of(domain)
    if not os.path.isdir(folder):
        raise InputError(
            f"prompts {domain}: neither a domain that ships with promptcot ({', '.join(names())}) nor a local folder"
        )
    return folder


def _check_markers(asked: str, domain: Domain, where: str) -> None:
    """Raises InputError if the generator's prompt shows other blocks than the domain has. Comments do not count."""
    if (wrong := shows_others(_COMMENT.sub("", asked), domain.blocks)) is not None:
        raise InputError(f"{where} shows {wrong}: the blocks of {SETTINGS} are {', '.join(domain.blocks)}")


@cache
def _default() -> Domain:
    return domain_of(_table_of_default(), f"prompts {DEFAULT}: {SETTINGS}")


@cache
def _table_of_default() -> Mapping[str, Any]:
    return read_table(_read(_SHIPPED / DEFAULT / SETTINGS), f"prompts {DEFAULT}: {SETTINGS}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"prompts: {path} cannot be read: {error}") from error
