"""Annotators, judges and a generator that answer from the prompt alone, in place of the models of a command line."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping

import pytest

from promptcot import domains
from promptcot.engines.opening import Engines
from promptcot.engines.scripted import Script, ScriptedEngine
from promptcot.recipe.schema import Served
from promptcot.records import Completion, Request
from tests.generations import render

LABELS = [line.label for line in (*domains.load("math").criteria.ratings, domains.load("math").criteria.verdict)]


def concepts_of(request: Request) -> str:
    """A readable list of as many concepts as are asked for, which depend on the problem."""
    wanted = re.search(r"Number of concepts: (\d+)|exactly (\d+) concepts", request.prompt)
    assert wanted
    n = int(wanted[1] or wanted[2])
    about = len(request.prompt) % 7
    concepts = [f"concept {about + place} \\frac" for place in range(n)]
    return f"\n```python\n{json.dumps(concepts)}\n```"


def rationale_of(request: Request) -> str:
    """A rationale with the seed in it, so that every annotator writes another one."""
    return f"\n<!-- BEGIN RATIONALE -->\nIt came about by {request.seed}.\n<!-- END RATIONALE -->"


def annotate(request: Request) -> Completion | str:
    """What is asked for, told by the prompt."""
    return rationale_of(request) if "Level: " in request.prompt else concepts_of(request)


def judge(request: Request) -> str:
    """Perfect, except for problems that have `flawed` in them."""
    rating = "bad" if "flawed" in request.prompt else "perfect"
    return "\n".join(f"{label}: {rating}" for label in LABELS)


def generate(request: Request) -> str:
    """A problem."""
    return render(f"because {request.seed}", f"Find {request.seed}.")


def play(monkeypatch: pytest.MonkeyPatch, scripts: Mapping[str, Script]) -> dict[str, ScriptedEngine]:
    """Let the commands of this test ask these scripts, by the name of the model; their engines, as they are opened."""
    opened: dict[str, ScriptedEngine] = {}

    async def open_engine(self: Engines, spec: Served, role: str) -> ScriptedEngine:
        await asyncio.sleep(0)
        latency = 0.002 if spec.model == "slow" else 0.0
        opened[spec.model] = ScriptedEngine(scripts[spec.model], model=spec.model, latency=lambda _: latency)
        return opened[spec.model]

    monkeypatch.setattr(Engines, "open", open_engine)
    return opened
