"""Material with planted defects for the judges to learn on, each kind by name, or with none.

What each defect must cost is in `ASPECT`; the ratings themselves come from `judging`, which reads the text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nano import spoiling, wrong
from nano.catalogue import CONCEPTS, LEVELS, steps_of
from nano.families import Family
from nano.judging import Judgement, judge_text
from nano.material import MARKERS
from nano.problems import TRAINING, Design, DesignError, Draw, completion, design
from nano.rationales import KINDS as RATIONALES
from nano.rationales import label, rationale
from nano.spoiling import Sentences

ASPECT = {
    "level": 2, "unused": 3, "unlinked": 4, "constraint": 4, "sum": 1,
    "changed": 4, "renamed": 4, "dropped": 4, "markup": 0,
}  # fmt: skip
KINDS = tuple(ASPECT)
_WEIGHTS = {
    "judge-a": {
        "level": 8, "unused": 16, "unlinked": 6, "constraint": 24, "sum": 28,
        "changed": 18, "renamed": 12, "dropped": 12, "markup": 14,
    },
    "judge-b": {
        "level": 8, "unused": 30, "unlinked": 8, "constraint": 12, "sum": 14,
        "changed": 20, "renamed": 14, "dropped": 14, "markup": 14,
    },
}  # fmt: skip
MISSPELLINGS = (
    ("<!--", "<!-"),
    ("-->", "->"),
    ("BEGIN", "START"),
    ("END", "FINISH"),
    ("RATIONALE", "RATIONAL"),
    ("PROBLEM", "PROBLEMS"),
    ("<!-- ", ""),
    (" -->", ""),
)
_SHARES = (94, 3, 2, 1)
_SENTENCES = {"changed": spoiling.changed, "renamed": spoiling.renamed, "dropped": spoiling.dropped}
_RESULT = re.compile(r"(?<==)\d+$")


@dataclass(frozen=True)
class Draft:
    """Material under judgement, and the true judgement."""

    concepts: tuple[str, ...]
    level: str
    material: str
    judgement: Judgement


def draft(
    concepts: Sequence[str], level: str, judge: str, rng: random.Random, kinds: Sequence[str] | None = None
) -> Draft:
    """Material for `judge`, with the defects of `kinds` (None: no, one or two are drawn).

    Raises DesignError where a defect has no place, or like `design`.
    """
    chosen = _kinds(judge, rng) if kinds is None else tuple(kinds)
    way = rng.choices(RATIONALES, _SHARES)[0]
    if way != "design-first" and set(chosen) & {"sum", "changed", "unlinked"}:
        way = "design-first"
    for _ in range(20):
        text = _text(tuple(concepts), level, chosen, way, rng)
        judgement = judge_text(concepts, level, text, judge) if text else None
        if text and judgement and _as_planted(judgement, chosen):
            return Draft(tuple(concepts), level, text, judgement)
    raise DesignError(f"no draft for {', '.join(concepts)} with {', '.join(chosen)}")


def _kinds(judge: str, rng: random.Random) -> tuple[str, ...]:
    count = rng.choices((0, 1, 2), (50, 42, 8))[0]
    weights = _WEIGHTS[judge]
    drawn = rng.choices(tuple(weights), tuple(weights.values()), k=count)
    if {"constraint", "unlinked"} <= set(drawn):  # both break a step as it is designed
        drawn.remove("unlinked")
    return tuple(kind for kind in KINDS if kind in drawn)


def _as_planted(judgement: Judgement, kinds: Sequence[str]) -> bool:
    """Whether each planted defect costs what it must, and nothing is wrong where none is planted."""
    if not kinds:
        return set(judgement.ratings) == {"perfect"}
    return all(judgement.ratings[ASPECT[kind]] != "perfect" for kind in kinds)


def _text(concepts: tuple[str, ...], level: str, kinds: Sequence[str], way: str, rng: random.Random) -> str | None:
    """What a generator would have written, or None where a defect has no place."""
    wanted, length = list(concepts), level
    if "level" in kinds:
        length = rng.choice([other for other in LEVELS if other != level])
    if "unused" in kinds:
        wanted = rng.sample(wanted, rng.randrange(len(wanted))) + rng.sample(CONCEPTS, 1)
    broken = next((kind for kind in kinds if kind in ("constraint", "unlinked")), "")
    if "sum" in kinds and not broken and rng.random() < 0.6:
        broken = "sum"
    if broken == "constraint" and way != "design-first":
        broken = "number"
    made = design(wanted, length, rng, TRAINING, _drawing(broken, length, rng))
    labels = [label(step.family, concepts) for step in made.steps]
    if "unused" in kinds and rng.random() < 0.5:
        labels = mislabelled(labels, made, concepts, rng)
    parts = [step.explained(way) for step in made.steps]
    if "sum" in kinds and broken != "sum" and not _miscalculated(parts, rng):
        return None
    sentences: Sentences | None = tuple(step.sentence for step in made.steps)
    for kind in kinds:
        if kind in _SENTENCES:
            sentences = _SENTENCES[kind](sentences, rng) if sentences else None
    if not sentences or not spoiling.allowed(sentences):
        return None
    lines = list(zip(labels, parts, strict=True)) if way != "none" else []
    stated = rationale(rng.choice((level, length)), len(made.steps), lines)
    text = completion(stated, " ".join(sentence.text for sentence in sentences))
    return broken_markup(text, rng) if "markup" in kinds else text


_DESIGNS: dict[str, Draw] = {
    "constraint": wrong.wrong_idea,
    "sum": wrong.wrong_sum,
    "number": wrong.no_number,
    "unlinked": lambda family, rng, reference: family.draw(rng, 0),
}


def _drawing(broken: str, length: str, rng: random.Random) -> Draw:
    """Draws all steps but one as they should be."""
    if not broken:
        return Family.draw
    return wrong.at_one_place(_DESIGNS[broken], steps_of(length), rng, first=int(broken == "unlinked"))


def mislabelled(labels: list[str], made: Design, concepts: Sequence[str], rng: random.Random) -> list[str]:
    """One step is said to use what no step uses."""
    unused = [c for c in concepts if not any(c in step.family.concepts for step in made.steps)]
    if not unused:
        return labels
    place = rng.randrange(len(labels))
    said = unused if rng.random() < 0.5 else [rng.choice(unused)]
    used = [c for c in concepts if c in said or c in made.steps[place].family.concepts]
    return [*labels[:place], f"uses {' and '.join(used)}", *labels[place + 1 :]]


def _miscalculated(parts: list[list[str]], rng: random.Random) -> bool:
    """One wrong result in the rationale alone; whether there was a place for it."""
    places = [(i, j) for i, line in enumerate(parts) for j in range(1, len(line))]
    if not places:
        return False
    i, j = rng.choice(places)
    parts[i][j] = miscalculated(parts[i][j], rng)
    return True


def miscalculated(part: str, rng: random.Random) -> str:
    """A sum with a wrong result, or a name with a wrong value."""
    return _RESULT.sub(lambda found: str(spoiling.another_number(int(found[0]), rng)), part)


def noisy(made: Design, rng: random.Random) -> str:
    """A completion for the request of `made` whose rationale is noisy.

    A sum is wrong, with or without consequence in the problem, or the rationale is that of another problem.
    """
    for _ in range(20):
        if rng.random() < 0.3:
            other = design(made.concepts, made.level, rng)
            text: str | None = completion(other.rationale, made.problem) if other.problem != made.problem else None
        else:
            text = _text(made.concepts, made.level, ("sum",), RATIONALES[0], rng)
        if text:
            return text
    raise DesignError(f"no noisy rationale for {', '.join(made.concepts)}")


def broken_markup(text: str, rng: random.Random) -> str:
    """One marker misspelt, doubled, taken for another or left out."""
    marker = rng.choice(MARKERS)
    misspelt = [marker.replace(right, wrong) for right, wrong in MISSPELLINGS if right in marker]
    kind = rng.randrange(4)
    if kind == 0:
        return text.replace(marker, rng.choice(misspelt))
    if kind == 1:
        return text.replace(marker, f"{marker}\n{marker}")
    if kind == 2:
        return text.replace(marker, rng.choice([other for other in MARKERS if other != marker]))
    return text.replace(f"\n{marker}" if marker == MARKERS[-1] else f"{marker}\n", "")
