"""Training texts of every role, endless and reproducible: example `index` of `seed` is always the same.

Decides the mix of concept combinations and levels. Prompts are rendered from the templates that the package ships.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from nano.annotating import annotated, fenced, marked
from nano.catalogue import CONCEPTS, LEVELS, seeds
from nano.holdout import held_out_combination
from nano.judging import draft, reply
from nano.operations import OPERATIONS
from nano.problems import Design, DesignError, completion, design

ROLES = ("annotator", "generator", "judge-a", "judge-b", "solver")
TEMPLATES = Path(__file__).parents[1] / "src" / "promptcot" / "domains" / "nano"


@dataclass(frozen=True)
class Example:
    """One training text. Only the completion is learnt in full."""

    prompt: str
    completion: str


def example(role: str, seed: int, index: int) -> Example:
    """The example `index` of `role`. Raises KeyError for an unknown role."""
    rng = random.Random(f"nano {role} {seed} {index}")
    while True:
        try:
            return _MAKERS[role](rng)
        except DesignError:  # some combinations have no problem within the rules
            continue


def stream(role: str, seed: int, start: int = 0, stride: int = 1) -> Iterator[Example]:
    """Endless examples start, start + stride, ..."""
    return (example(role, seed, index) for index in count(start, stride))


@cache
def template(name: str) -> Template:
    """A prompt template, rendered byte for byte as the package renders it."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
        undefined=StrictUndefined,
    )
    return environment.get_template(f"{name}.jinja")


def combination(rng: random.Random) -> tuple[str, ...]:
    """Two or three concepts as the sampler might give them, never a held-out combination."""
    while True:
        size = rng.choice((2, 3))
        way = rng.choices((_of_one_operation, _co_occurring, _at_random), (35, 40, 25))[0]
        concepts = way(size, rng)
        if not held_out_combination(concepts):
            return concepts


def _of_one_operation(size: int, rng: random.Random) -> tuple[str, ...]:
    concepts = rng.choice(OPERATIONS).concepts
    return tuple(rng.sample(concepts, min(size, len(concepts))))


@cache
def _neighbours() -> dict[str, tuple[str, ...]]:
    """For each concept the concepts that share a seed with it, as often as they do."""
    found: dict[str, list[str]] = {concept: [] for concept in CONCEPTS}
    for concepts, _ in seeds():
        for concept in concepts:
            found[concept] += [other for other in concepts if other != concept]
    return {concept: tuple(others) for concept, others in found.items()}


def _co_occurring(size: int, rng: random.Random) -> tuple[str, ...]:
    chosen = [rng.choice(CONCEPTS)]
    while len(chosen) < size:
        near = [other for concept in chosen for other in _neighbours()[concept] if other not in chosen]
        chosen.append(rng.choice(near))
    return tuple(chosen)


def _at_random(size: int, rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(CONCEPTS, size))


def generated(rng: random.Random) -> Design:
    """What the generator should have designed for one drawn combination."""
    return design(combination(rng), rng.choice(LEVELS), rng)


def _generator(rng: random.Random) -> Example:
    made = generated(rng)
    prompt = template("generate").render(concepts=made.concepts, level=made.level)
    return Example(prompt, completion(made.rationale, made.problem))


def _annotator(rng: random.Random) -> Example:
    """One of the annotator's two tasks; the rationale is the longer one to learn."""
    if rng.random() < 0.3:
        made = annotated(rng)
        return Example(template("extract").render(problem=made.problem, n=len(made.concepts)), fenced(made.concepts))
    made = annotated(rng) if rng.random() < 0.7 else generated(rng)
    prompt = template("explain").render(problem=made.problem, concepts=made.concepts, level=made.level)
    return Example(prompt, marked(made.rationale))


def _solver(rng: random.Random) -> Example:
    made = design((), rng.choice(LEVELS), rng)
    return Example(template("solve").render(problem=made.problem), made.solution)


def _judge(judge: str) -> Callable[[random.Random], Example]:
    def make(rng: random.Random) -> Example:
        made = draft(combination(rng), rng.choice(LEVELS), judge, rng)
        prompt = template("judge").render(concepts=made.concepts, level=made.level, material=made.material)
        return Example(prompt, reply(made, judge))

    return make


_MAKERS: dict[str, Callable[[random.Random], Example]] = {
    "annotator": _annotator,
    "generator": _generator,
    "judge-a": _judge("judge-a"),
    "judge-b": _judge("judge-b"),
    "solver": _solver,
}
