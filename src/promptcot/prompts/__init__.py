"""The prompts and criteria that ship with promptcot, one folder for each domain, and how a folder is loaded.

A folder holds `CONVERSATION.jinja` for each conversation (`generate`, `judge`, `solve`, and whatever else its stages
ask), optionally `CONVERSATION.system.jinja`, and `criteria.toml`. Another domain is another folder of them, in any
place; nothing in the code has to change.
"""

from __future__ import annotations

import os
from pathlib import Path

from promptcot.core.prompts import CRITERIA, PromptSet, compile_prompts
from promptcot.errors import InputError

_SHIPPED = Path(__file__).parent
_REQUIRED = ("generate.jinja", "judge.jinja", CRITERIA)


def domains() -> list[str]:
    """The names of the domains that ship with promptcot."""
    return sorted(path.parent.name for path in _SHIPPED.glob(f"*/{CRITERIA}"))


def load(domain: str | Path) -> PromptSet:
    """The prompts of a shipped domain, by name, or of a local folder, by path (`./math` for a folder called math).

    Raises InputError if there is no such domain, a file is missing or unreadable, or one of them cannot be parsed.
    """
    shipped = str(domain) in domains()
    folder = _SHIPPED / str(domain) if shipped else Path(domain)
    if not os.path.isdir(folder):  # unlike Path.is_dir, it answers for a name that can be none, too
        raise InputError(
            f"prompts {domain}: no domain that ships with promptcot ({', '.join(domains())}) and no local folder"
        )
    missing = [name for name in _REQUIRED if not (folder / name).is_file()]
    if missing:
        raise InputError(f"prompts {domain}: the folder lacks {', '.join(missing)}")
    paths = sorted([*folder.glob("*.jinja"), folder / CRITERIA])
    return compile_prompts(str(domain), {path.name: _read(path) for path in paths})


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"prompts: {path} cannot be read: {error}") from error
