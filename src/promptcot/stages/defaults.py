"""What follows from a model or a concepts file where nobody says otherwise: names, wordings, sizes and levels.

The embedded models know their own prompts, sizes and levels only; everything else is asked as contest mathematics.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptcot import nano
from promptcot.recipe.schema import Served

NANO_SIZES, SIZES = (2, 3), (5,)
NANO_LEVELS = ("AMC12", "AIME", "HMMT-Feb")


def domain_of(model: Served) -> str:
    """The folder of prompts for a model. Of a server's model whose name nobody gave, nothing follows."""
    named = "model" in model.model_fields_set or not model.unnamed
    return "nano" if named and nano.is_nano(model.model) else "math"


def annotator_name(model: Served) -> str:
    """What an annotator is called in rows."""
    if model.unnamed:
        return "annotator"
    return model.model.removeprefix("nano:") if nano.is_nano(model.model) else Path(model.model).name


def judge_name(model: str) -> str:
    """What a judge is called in files and reports."""
    if not nano.is_nano(model):
        return Path(model).name
    return (model.partition(":")[2] or "judge-a").removeprefix("judge-")


def domain_of_concepts(concepts: str) -> str:
    """The folder of prompts for combinations of a concepts file."""
    return "nano" if concepts == "nano" else "math"


def sizes_of(domain: str) -> tuple[int, ...]:
    """How many concepts a problem of a domain rests on."""
    return NANO_SIZES if domain == "nano" else SIZES


def sampling_of(concepts: str) -> Mapping[str, Any]:
    """Sizes and levels to sample with from a concepts file, as keys of a recipe; the rest is the recipe's default."""
    return {"size": list(NANO_SIZES), "levels": list(NANO_LEVELS)} if concepts == "nano" else {}
