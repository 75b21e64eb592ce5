"""Defaults that follow from a model or a concepts file: the domain, and the names of annotators, judges and verifiers.

The embedded models know only the wording of the nano world; all other models get contest mathematics. A named model
decides the domain, and so does the default model on this machine, which is an embedded one. A server's unnamed model
decides nothing. `nano.is_nano` (models) and `nano.is_world` (everything else) decide what belongs to the nano world.
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
    """The sizes and levels to sample with, as keys of a recipe; the rest keeps the recipe's defaults.

    They are those of the domain. Among the shipped domains the concepts decide, so that sampling from a file does not
    depend on the wording.
    """
    shipped = prompts.domain in domains.names()
    domain = domains.settings(domain_of_concepts(concepts)) if shipped else prompts.settings
    return {"size": list(domain.sizes), "levels": list(domain.levels)}


def annotator_name(model: Served) -> str:
    """An annotator's name in rows."""
    return _name(model, "annotator")


def verifier_name(model: Served) -> str:
    """A verifier's name in rows and files."""
    return _name(model, "verifier")


def _name(model: Served, role: str) -> str:
    if model.unnamed:
        return role
    return model.model.removeprefix("nano:") if nano.is_nano(model.model) else Path(model.model).name


def solver_name(model: Served, role: str = "solver") -> str:
    """A solver's name in its traces: the model's name as given; "unnamed" for a server's only model."""
    if model.unnamed:
        return "unnamed"
    return f"{nano.NAME}:{role}" if model.model == nano.NAME else model.model


def judge_name(model: str) -> str:
    """A judge's name in files and reports."""
    if not nano.is_nano(model):
        return Path(model).name
    return (model.partition(":")[2] or "judge-a").removeprefix("judge-")
