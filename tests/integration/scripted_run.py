"""A whole run on scripted engines, as a program that tests of interruptions start, kill and restart.

    python scripted_run.py DIRECTORY CANDIDATES TARGET CONCURRENCY LATENCY

Replies depend on the request alone, delays on nothing: what finishes first differs from run to run. TARGET 0 is none.
"""

import asyncio
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from promptcot import domains
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import RequestRefused
from promptcot.pipeline.plan import steps_of
from promptcot.pipeline.run import Run
from promptcot.recipe.loading import parse
from promptcot.recipe.recipe import Recipe
from promptcot.records import Completion, Request, Row
from promptcot.runners.local import LocalRunner

CRITERIA = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability")


def recipe(candidates: int, target: int) -> Recipe:
    """Two judges; everything else as it is by default."""
    judges = [{"name": "a"}, {"name": "b"}]
    limits = {"max_candidates": candidates, **({"target": target} if target else {})}
    return parse({"name": "scripted", "prompts": "nano", "run": limits, "judge": judges})


def write(request: Request) -> Completion | Exception:
    """A problem; one in ten is unreadable, one in twenty refused."""
    fate = request.seed % 20
    if fate == 0:
        return RequestRefused("the server does not like it", "refused")
    if fate in (1, 2):
        return Completion("no markup here", "stop", 10, 4)
    body = f"<!-- BEGIN RATIONALE -->\nbecause {request.seed}\n<!-- END RATIONALE -->\n"
    return Completion(body + f"<!-- BEGIN PROBLEM -->\nFind {request.seed}.\n<!-- END PROBLEM -->", "stop", 10, 40)


def rate(request: Request) -> Completion:
    """Perfect, or bad, or cut off."""
    rating = "perfect" if request.seed % 3 else "bad"
    lines = [*(f"{name}: {rating}" for name in CRITERIA), f"Final Judgement: {rating}"]
    return Completion("\n".join(lines), "length" if request.seed % 11 == 0 else "stop", 60, 30)


def combinations() -> Iterator[Row]:
    """Endless rows, always the same."""
    number = 0
    while True:
        number += 1
        concepts = [f"concept {number}", f"concept {number + 1}"]
        yield {"id": f"{number:06d}", "foundational_concepts": concepts, "level": "AIME", "prompt": f"{concepts}"}


def make(directory: Path, candidates: int, target: int, concurrency: int, latency: float) -> Run:
    """The run, ready to start."""
    delays = random.Random()
    engines = {
        name: ScriptedEngine(script, model=name, latency=(lambda _: delays.random() * latency) if latency else None)
        for name, script in {"generate": write, "judge-a": rate, "judge-b": rate}.items()
    }
    made = recipe(candidates, target)
    steps = steps_of(made, domains.load("nano"))
    return Run(steps, made.run, directory, engines, combinations(), LocalRunner(concurrency))


if __name__ == "__main__":
    folder, *numbers, seconds = sys.argv[1:]
    candidates, target, concurrency = map(int, numbers)
    asyncio.run(make(Path(folder), candidates, target, concurrency, float(seconds)).run({}))
