"""Training texts of every role, endless and reproducible: example `index` of `seed` is always the same.

Decides the mix of concept combinations, levels and defects. Prompts are rendered from the templates that the package
ships.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from nano.annotating import annotated, explained, fenced
from nano.catalogue import CONCEPTS, LEVELS, drawn, least_families
from nano.dense import dense
from nano.families import FAMILIES
from nano.holdout import held_out_combination
from nano.judging import LONGEST, judge_text
from nano.material import read_material
from nano.planting import draft, noisy
from nano.problems import Design, DesignError, completion, design
from nano.solving import walk
from nano.verifying import ill_posed, text_of, verification

# the generator's variants write other kinds of rationale, for comparisons
VARIANTS = {
    "generator-after": "after the fact",
    "generator-labels": "labels only",
    "generator-none": "none",
    "generator-noisy": "noisy",
}
JUDGES = ("judge-a", "judge-b")
ROLES = ("annotator", "generator", *JUDGES, "solver", "verifier")
TEMPLATES = Path(__file__).parents[1] / "src" / "promptcot" / "domains" / "nano"
# of a judge's texts, those with much that is wrong: until it has learnt to compare, and then, since errors are rare
DENSE, DENSE_LATER, DENSE_UNTIL = 0.5, 0.15, 16_000
ILL_POSED = {"solver": 0.2, "verifier": 0.5}


@dataclass(frozen=True)
class Example:
    """One training text. Only the completion is learnt in full."""

    prompt: str
    completion: str


def example(role: str, seed: int, index: int) -> Example:
    """The example `index` of `role`, one of `ROLES` or `VARIANTS`. Raises KeyError for an unknown role."""
    rng = random.Random(f"nano {role} {seed} {index}")
    while True:
        try:
            return _judge(role, rng, index) if role in JUDGES else _MAKERS[role](rng)
        except DesignError:  # some combinations have no problem within the rules
            continue


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


def combination(rng: random.Random, held_out: bool = False) -> tuple[str, ...]:
    """Two or three concepts as the sampler might give them: a combination that training may see, or a held-out one."""
    while True:
        size = rng.choice((2, 3))
        way = rng.choices((_of_one_family, _co_occurring, _at_random), (30, 45, 25))[0]
        concepts = way(size, rng)
        if held_out_combination(concepts) == held_out:
            return concepts


def fitting_level(concepts: tuple[str, ...], rng: random.Random) -> str:
    """A level whose steps can hold the concepts: mostly the shortest, any of the three for concepts of one family."""
    least = least_families(concepts)
    if least == 1:
        return rng.choices(LEVELS, (2, 1, 1))[0]
    return LEVELS[min(least - 1 + (rng.random() > 0.6), len(LEVELS) - 1)]


def _of_one_family(size: int, rng: random.Random) -> tuple[str, ...]:
    return tuple(rng.sample(rng.choice(FAMILIES).concepts, size))


@cache
def _neighbours() -> dict[str, tuple[str, ...]]:
    """For each concept the concepts that were drawn together with it, as often as they were."""
    found: dict[str, list[str]] = {concept: [] for concept in CONCEPTS}
    for concepts, _ in drawn():  # with the few that no problem can have, for which no text is made
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


def asked(rng: random.Random, held_out: bool = False) -> tuple[tuple[str, ...], str]:
    """Concepts and level of a generator's prompt: one that training may see, or a held-out one."""
    concepts = combination(rng, held_out)
    return concepts, fitting_level(concepts, rng)


def request(rng: random.Random, held_out: bool = False) -> tuple[tuple[str, ...], str, str]:
    """Concepts, level and the generator's prompt for them: one that training may see, or a held-out one."""
    concepts, level = asked(rng, held_out)
    return concepts, level, template("generate").render(concepts=concepts, level=level)


def generated(rng: random.Random) -> Design:
    """What the generator should have designed for one request, with all its concepts."""
    made = design(*asked(rng), rng)
    if any(not any(concept in step.family.concepts for step in made.steps) for concept in made.concepts):
        raise DesignError(f"no problem has {', '.join(made.concepts)} at {made.level}")
    return made


def judged(concepts: Sequence[str], level: str, text: str, judge: str) -> Example | None:
    """What `judge` should say of a generator's text, or None where the text cannot be followed."""
    judgement = judge_text(concepts, level, text, judge)
    if judgement is None:
        return None
    prompt = template("judge").render(concepts=concepts, level=level, material=text)
    return Example(prompt, judgement.reply)


def verified(text: str) -> Example | None:
    """What the verifier should say of the problem in a generator's text, or None where there is none or too much."""
    material = read_material(text)
    if not material.well_marked or not 0 < len(material.problem) <= LONGEST:
        return None
    prompt = template("verify").render(problem=material.problem)
    return Example(prompt, verification(walk(material.sentences)))


def _generator(kind: str) -> Callable[[random.Random], Example]:
    def make(rng: random.Random) -> Example:
        made = generated(rng)
        prompt = template("generate").render(concepts=made.concepts, level=made.level)
        text = noisy(made, rng) if kind == "noisy" else completion(made.explained(kind), made.problem)
        return Example(prompt, text)

    return make


def _annotator(rng: random.Random) -> Example:
    """One of the annotator's two tasks; the rationale is the longer one to learn."""
    if rng.random() < 0.3:
        made = annotated(rng)
        return Example(template("extract").render(problem=made.problem, n=len(made.concepts)), fenced(made.concepts))
    made = annotated(rng) if rng.random() < 0.7 else generated(rng)
    prompt = template("explain").render(problem=made.problem, concepts=made.concepts, level=made.level)
    return Example(prompt, explained(made))


def _solver(rng: random.Random) -> Example:
    level = rng.choice(LEVELS)
    if rng.random() < ILL_POSED["solver"]:
        sentences = ill_posed(level, rng)
        return Example(template("solve").render(problem=text_of(sentences)), walk(sentences).solution)
    made = design((), level, rng)
    return Example(template("solve").render(problem=made.problem), made.solution)


def _verifier(rng: random.Random) -> Example:
    level = rng.choice(LEVELS)
    if rng.random() < ILL_POSED["verifier"]:
        sentences = ill_posed(level, rng)
    else:
        sentences = tuple(step.sentence for step in design((), level, rng).steps)
    return Example(template("verify").render(problem=text_of(sentences)), verification(walk(sentences)))


def _judge(judge: str, rng: random.Random, index: int) -> Example:
    share = DENSE if index < DENSE_UNTIL else DENSE_LATER
    made = (dense if rng.random() < share else draft)(*asked(rng), judge, rng)
    prompt = template("judge").render(concepts=made.concepts, level=made.level, material=made.material)
    return Example(prompt, made.judgement.reply)


_MAKERS: dict[str, Callable[[random.Random], Example]] = {
    "annotator": _annotator,
    "generator": _generator("design-first"),
    **{role: _generator(kind) for role, kind in VARIANTS.items()},
    "solver": _solver,
    "verifier": _verifier,
}
