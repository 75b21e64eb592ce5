"""What follows from a model or a concepts file where nobody says otherwise: the domain, and what annotators,
judges and verifiers are called.

The embedded models know the wording of the nano world only; everything else is asked as contest mathematics. A model
that is named decides, so does the default model on this machine, which is an embedded one; of a server's model that
nobody named nothing follows. What belongs to the nano world, `nano.is_nano` (models) and
`nano.is_world` (all else) say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from promptcot import domains, nano
from promptcot.core.prompts import PromptSet
from promptcot.recipe.schema import Served


def domain_of(model: Served) -> str:
    """The domain of a model, by its name."""
    named = "model" in model.model_fields_set or not model.unnamed
    return _domain(named and nano.is_nano(model.model))


def common_domain(models: Iterable[Served]) -> str:
    """The domain that all these models know."""
    found = {domain_of(model) for model in models}
    return found.pop() if len(found) == 1 else domains.DEFAULT


def domain_of_concepts(concepts: str) -> str:
    """The domain for combinations of a concepts file, by its name."""
    return _domain(nano.is_world(concepts))


def _domain(of_nano: bool) -> str:
    return nano.NAME if of_nano else domains.DEFAULT


def sampling_of(prompts: PromptSet, concepts: str) -> Mapping[str, Any]:
    """The sizes and levels to sample with, as keys of a recipe; the rest is the recipe's default.

    They are those of the domain. Between the domains that ship, the concepts decide, so that what is drawn from a file
    does not depend on the wording.
    """
    shipped = prompts.domain in domains.names()
    domain = domains.settings(domain_of_concepts(concepts)) if shipped else prompts.settings
    return {"size": list(domain.sizes), "levels": list(domain.levels)}


def annotator_name(model: Served) -> str:
    """What an annotator is called in rows."""
    return _name(model, "annotator")


def verifier_name(model: Served) -> str:
    """What a verifier is called in rows and files."""
    return _name(model, "verifier")


def _name(model: Served, role: str) -> str:
    if model.unnamed:
        return role
    return model.model.removeprefix("nano:") if nano.is_nano(model.model) else Path(model.model).name


def solver_name(model: Served, role: str = "solver") -> str:
    """What a solver is called in its traces: as the model was named; "unnamed" is a server's only model."""
    if model.unnamed:
        return "unnamed"
    return f"{nano.NAME}:{role}" if model.model == nano.NAME else model.model


def judge_name(model: str) -> str:
    """What a judge is called in files and reports."""
    if not nano.is_nano(model):
        return Path(model).name
    return (model.partition(":")[2] or "judge-a").removeprefix("judge-")
