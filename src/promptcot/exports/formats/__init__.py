"""The formats of trainers, by the name that `--to` takes. A new one is a file here and an entry in this list."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from promptcot.errors import UsageError
from promptcot.exports.formats.dpo import DPO
from promptcot.exports.formats.format import Format
from promptcot.exports.formats.nemo_gym import NeMoGym
from promptcot.exports.formats.nemo_rl import NeMoRL
from promptcot.exports.formats.openrlhf import OpenRLHF
from promptcot.exports.formats.prime import Prime
from promptcot.exports.formats.sft import SFT
from promptcot.exports.formats.skyrl import SkyRL
from promptcot.exports.formats.trl import TRL
from promptcot.exports.formats.verl import Verl

_ALL: tuple[type[Format], ...] = (SFT, DPO, TRL, Verl, OpenRLHF, NeMoRL, NeMoGym, SkyRL, Prime)
FORMATS: Mapping[str, type[Format]] = MappingProxyType({one.name: one for one in _ALL})


def format_of(name: str, layout: str | None = None) -> Format:
    """The format with this name, in one of its layouts. Raises UsageError, naming the nearest where there is none."""
    wanted = name.strip().lower().replace("_", "-")
    if wanted not in FORMATS:
        raise UsageError(f"no trainer is called {name!r}: {_hint(wanted)}one of {', '.join(FORMATS)}")
    found = FORMATS[wanted]
    if layout is not None and layout not in found.layouts:
        raise UsageError(f"{wanted} has no layout {layout!r}: one of {', '.join(found.layouts)}")
    return found(layout)


def _hint(wanted: str) -> str:
    names = {known: one.name for one in _ALL for known in (one.name, *one.also)}
    near = get_close_matches(wanted, names, 1)
    return f"did you mean {names[near[0]]}? " if near else ""
