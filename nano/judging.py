"""What the judges learn: material with planted defects, and the true ratings of it.

About half of the material has no planted defect. The two judges differ in the mix of defects, in strictness (`rate`)
and in their reply: judge-a first writes what it read and found, judge-b only its ratings.

What each defect costs: broken markup makes the format bad; a false claim the accuracy; an unused sampled concept the
coverage (judge-a: acceptable when it is one of three); a datum missing, renamed, changed or outside the domain, or a
step that does not use the one before, the solvability; a number of steps that does not fit the level the difficulty
(judge-a: acceptable when off by one). Steps and coverage are those of the rationale.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from nano.catalogue import CONCEPTS, LEVELS, steps_of
from nano.holdout import allowed_chain, held_out_phrase
from nano.operands import CLAIMS, Operand, claim_holds
from nano.problems import NAMES, DesignError, Step, completion, design, label, rationale, with_operand

ASPECTS = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability")
MARKERS = tuple(f"<!-- {edge} {part} -->" for part in ("RATIONALE", "PROBLEM") for edge in ("BEGIN", "END"))
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


@dataclass(frozen=True)
class Part:
    """A step as the problem shows it."""

    step: Step
    with_setup: bool = True

    def text(self) -> str:
        return (
            f"{self.step.setup} {self.step.sentence()}" if self.step.setup and self.with_setup else self.step.sentence()
        )


@dataclass(frozen=True)
class Draft:
    """Material under judgement: the steps of the rationale, with their labels, and the parts of the problem."""

    concepts: tuple[str, ...]
    level: str
    stated_level: str
    plan: tuple[Step, ...]
    labels: tuple[str, ...]
    parts: tuple[Part, ...]
    sound: bool = True
    broken: tuple[str, str] = ("", "")

    @property
    def material(self) -> str:
        text = completion(
            rationale(self.stated_level, list(zip(self.labels, self.plan, strict=True))),
            " ".join(part.text() for part in self.parts),
        )
        return text.replace(self.broken[0], self.broken[1]).strip("\n") if self.broken[0] else text

    @property
    def unused(self) -> list[str]:
        return [c for c in self.concepts if not any(c in step.operation.concepts for step in self.plan)]

    @property
    def same(self) -> bool:
        """Whether the problem says what the rationale says."""
        return _read([Part(step) for step in self.plan]) == _read(self.parts)

    @property
    def claims(self) -> str:
        claimed = [o for part in self.parts for o in part.step.operands.values() if o.claim]
        if not claimed:
            return "none"
        return "true" if all(claim_holds(o.claim, o.literal) for o in claimed) else "false"


T = TypeVar("T")
Defect = Callable[[Draft, random.Random], Draft | None]


def draft(concepts: Sequence[str], level: str, judge: str, rng: random.Random) -> Draft:
    """Material for `judge`, with no, one or two planted defects. Raises DesignError like `design`."""
    kinds = _kinds(judge, rng)
    tolerant = rng.random() < 0.25  # of a level that is too short for the concepts
    for _ in range(20):
        made: Draft | None = _start(concepts, level, kinds, rng)
        for kind in kinds:
            made = DEFECTS[kind](made, rng) if made and kind in DEFECTS else made
        if made and (tolerant or "unused" in kinds or not made.unused) and _allowed(made):
            return made
    raise DesignError(f"no draft for {', '.join(concepts)}")


def rate(material: Draft, judge: str) -> list[str]:
    """The five true ratings in the order of `ASPECTS`, by the strictness of `judge`."""
    lenient = judge == "judge-a"
    off = abs(steps_of(material.level) - len(material.plan))
    unused = len(material.unused)
    one_of_three = lenient and unused == 1 and len(material.concepts) >= 3
    return [
        "bad" if material.broken[0] else "perfect",
        "bad" if material.claims == "false" else "perfect",
        "perfect" if off == 0 else "acceptable" if lenient and off == 1 else "bad",
        "perfect" if unused == 0 else "acceptable" if one_of_three else "bad",
        "perfect" if material.sound and material.same else "bad",
    ]


def verdict(ratings: Sequence[str]) -> str:
    """The verdict that follows from five ratings."""
    if "bad" in ratings:
        return "bad"
    _, accuracy, _, _, solvability = ratings
    others = [ratings[0], ratings[2], ratings[3]]
    return "perfect" if accuracy == solvability == "perfect" and others.count("perfect") >= 2 else "acceptable"


def reply(material: Draft, judge: str) -> str:
    """What the judge writes."""
    ratings = rate(material, judge)
    lines = [f"{aspect}: {rating}" for aspect, rating in zip(ASPECTS, ratings, strict=True)]
    lines.append(f"Final Judgement: {verdict(ratings)}")
    return "\n".join(_findings(material) + lines if judge == "judge-a" else lines)


def _findings(material: Draft) -> list[str]:
    """What was read in rationale and problem, and what follows from it."""
    plan, parts = _read([Part(step) for step in material.plan]), _read(material.parts)
    used = [f"{concept} {'no' if concept in material.unused else 'yes'}" for concept in material.concepts]
    facts = [
        f"markup {'broken' if material.broken[0] else 'good'}",
        f"steps {len(material.plan)}",
        *used,
        f"data {'same' if material.same else 'different'}",
        f"sound {'yes' if material.sound else 'no'}",
        f"claims {material.claims}",
    ]
    return [f"Plan: {plan}. Problem: {parts}.", f"Found: {'; '.join(facts)}."]


def _read(parts: Sequence[Part]) -> str:
    return "; ".join(_read_part(part) for part in parts)


def _read_part(part: Part) -> str:
    step = part.step
    shown = [o for key, o in step.operands.items() if part.with_setup or "{" + key in step.template]
    operands = [f"{operand.claim} {operand.plain()}".strip() for operand in shown]
    named = f"{step.name} = " if step.name else ""
    return f"{named}{step.operation.key} {', '.join(operands)}".strip()


def _kinds(judge: str, rng: random.Random) -> list[str]:
    count = rng.choices((0, 1, 2), (50, 42, 8))[0]
    weights = MIXES[judge]
    drawn = rng.choices(tuple(weights), tuple(weights.values()), k=count)
    # what changes rationale and problem alike comes before what tears them apart
    return [kind for kind in weights if kind in drawn]


def _start(concepts: Sequence[str], level: str, kinds: list[str], rng: random.Random) -> Draft | None:
    """A faithful draft, of another length or for other concepts where the defect asks for it."""
    wanted = list(concepts)
    length = rng.choice([other for other in LEVELS if other != level]) if "level" in kinds else level
    if "unused" in kinds:
        wanted = rng.sample(wanted, rng.randrange(len(wanted))) + rng.sample(CONCEPTS, 1)
    made = design(wanted, length, rng)
    labels = tuple(label(step.operation, concepts) for step in made.steps)
    parts = tuple(Part(step) for step in made.steps)
    stated = rng.choice((level, length))
    start = Draft(tuple(concepts), level, stated, made.steps, labels, parts)
    if "unused" in kinds:
        return _mislabelled(start, rng) if start.unused else None
    return start


def _mislabelled(material: Draft, rng: random.Random) -> Draft:
    """Half the time the rationale says that a step uses what it does not use."""
    if rng.random() < 0.5:
        return material
    place = rng.randrange(len(material.plan))
    said = material.unused if rng.random() < 0.5 else [rng.choice(material.unused)]
    used = [c for c in material.concepts if c in said or c in material.plan[place].operation.concepts]
    return replace(material, labels=_swapped(material.labels, place, f"uses {' and '.join(used)}"))


def _swapped(items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _allowed(material: Draft) -> bool:
    """Whether training may see both the rationale's and the problem's chain and literals."""
    steps = [material.plan, tuple(part.step for part in material.parts)]
    literal = [step for chain in steps for step in chain if not any(o.name for o in step.operands.values())]
    chains = all(allowed_chain([step.operation.key for step in chain]) for chain in steps)
    return chains and not any(held_out_phrase(step.valued) for step in literal)


def _break_markup(material: Draft, rng: random.Random) -> Draft:
    marker = rng.choice(MARKERS)
    misspelt = [marker.replace(right, wrong) for right, wrong in MISSPELLINGS if right in marker]
    kind = rng.randrange(4)
    if kind == 0:
        return replace(material, broken=(marker, rng.choice(misspelt)))
    if kind == 1:
        return replace(material, broken=(marker, f"{marker}\n{marker}"))
    if kind == 2:
        return replace(material, broken=(marker, rng.choice([other for other in MARKERS if other != marker])))
    line = f"\n{marker}" if marker == MARKERS[-1] else f"{marker}\n"
    return replace(material, broken=(line, ""))


def _in_both(material: Draft, place: int, step: Step) -> Draft:
    parts = _swapped(material.parts, place, replace(material.parts[place], step=step))
    return replace(material, plan=_swapped(material.plan, place, step), parts=parts)


def _claim_falsely(material: Draft, rng: random.Random) -> Draft | None:
    places = [(i, key) for i, step in enumerate(material.plan) for key in step.claimable()]
    if not places:
        return None
    i, key = rng.choice(places)
    operand = material.plan[i].operands[key]
    claim = rng.choice([claim for claim in CLAIMS if not claim_holds(claim, operand.literal)])
    return _in_both(material, i, with_operand(material.plan[i], key, operand.claiming(claim)))


def _change_number(material: Draft, rng: random.Random) -> Draft | None:
    steps = [part.step for part in material.parts]
    # a bare reference has no number, and a claim must not turn false by the way
    places = [
        (i, k) for i, s in enumerate(steps) for k, o in s.operands.items() if not o.claim and (o.literal or not o.name)
    ]
    if not places:
        return None
    i, key = rng.choice(places)
    operand = steps[i].operands[key]
    other = _another_number(operand, steps[i].operation.ranges[key], rng)
    changed = with_operand(steps[i], key, replace(operand, literal=other))
    return replace(material, parts=_swapped(material.parts, i, replace(material.parts[i], step=changed)))


def _another_number(operand: Operand, drawn: Sequence[int], rng: random.Random) -> int:
    if operand.name:
        return rng.choice([n for n in range(1, 10) if n != operand.literal])
    text = str(operand.literal)
    place = rng.randrange(len(text))
    one_digit = int(text[:place] + rng.choice("123456789") + text[place + 1 :])
    options = [n for n in (one_digit, rng.choice(drawn), operand.literal + 1) if n != operand.literal]
    return rng.choice(options)


def _rename(material: Draft, rng: random.Random) -> Draft | None:
    if len(material.parts) < 2:
        return None
    letters = list("".join(NAMES))
    place = rng.randrange(1, len(material.parts))
    if rng.random() < 0.5:
        place -= 1
        step = material.parts[place].step
        renamed = replace(step, name=rng.choice([letter for letter in letters if letter != step.name]))
    else:
        step = material.parts[place].step
        operand = step.operands[step.operation.slot]
        other = rng.choice([letter for letter in letters if letter != operand.name])
        renamed = with_operand(step, step.operation.slot, replace(operand, name=other))
    return replace(material, parts=_swapped(material.parts, place, replace(material.parts[place], step=renamed)))


def _drop_sentence(material: Draft, rng: random.Random) -> Draft | None:
    if len(material.parts) < 2:
        return None
    place = rng.randrange(len(material.parts))
    return replace(material, parts=material.parts[:place] + material.parts[place + 1 :])


def _drop_setup(material: Draft, rng: random.Random) -> Draft | None:
    places = [i for i, part in enumerate(material.parts) if part.step.operation.setup]
    if not places:
        return None
    place = rng.choice(places)
    return replace(material, parts=_swapped(material.parts, place, replace(material.parts[place], with_setup=False)))


def _leave_domain(material: Draft, rng: random.Random) -> Draft | None:
    places = [
        (i, key, number)
        for i, step in enumerate(material.plan)
        for key, number in step.operation.spoilt.items()
        if not step.operands[key].name
    ]
    if not places:
        return None
    i, key, number = rng.choice(places)
    return replace(_in_both(material, i, with_operand(material.plan[i], key, Operand(number))), sound=False)


def _unlink(material: Draft, rng: random.Random) -> Draft | None:
    """A step that has a literal where it should use the step before."""
    if len(material.plan) < 2:
        return None
    place = rng.randrange(1, len(material.plan))
    step = material.plan[place]
    literal = Operand(rng.choice(step.operation.ranges[step.operation.slot]))
    return replace(_in_both(material, place, with_operand(step, step.operation.slot, literal)), sound=False)


DEFECTS: dict[str, Defect] = {
    "unlinked": _unlink,
    "domain": _leave_domain,
    "claim": _claim_falsely,
    "number": _change_number,
    "name": _rename,
    "sentence": _drop_sentence,
    "setup": _drop_setup,
    "markup": _break_markup,
}
MIXES = {
    "judge-a": {
        "unused": 30, "level": 18, "unlinked": 5, "domain": 8, "claim": 50,
        "number": 18, "name": 12, "sentence": 8, "setup": 6, "markup": 14,
    },
    "judge-b": {
        "unused": 110, "level": 8, "unlinked": 6, "domain": 10, "claim": 45,
        "number": 12, "name": 12, "sentence": 6, "setup": 8, "markup": 12,
    },
}  # fmt: skip
