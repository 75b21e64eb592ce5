"""What the judges write of a generator's text, and the true ratings of it.

Both follow the text with the words of `following`; the ratings come from those words alone. They differ in strictness:
an unused concept of three, and a level that is off by one, are acceptable to judge-a. judge-b does not tell a wrong sum
that the problem took over from one that it did not: to it the problem suffers from both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nano.catalogue import steps_of
from nano.following import family_of, follow
from nano.material import Material, read_material
from nano.solving import CONDITIONS, walk

ASPECTS = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability")
MOST_STEPS, LONGEST = 5, 1500


@dataclass(frozen=True)
class Judgement:
    """The lines of a reply before the ratings, and the ratings in the order of `ASPECTS`."""

    findings: tuple[str, ...]
    ratings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """The verdict that follows from the ratings."""
        return verdict(self.ratings)

    @property
    def reply(self) -> str:
        """The whole reply, as a judge learns to write it."""
        rated = [f"{aspect}: {rating}" for aspect, rating in zip(ASPECTS, self.ratings, strict=True)]
        return "\n".join([*self.findings, *rated, f"Final Judgement: {self.verdict}"])


def judge_text(concepts: Sequence[str], level: str, completion: str, judge: str) -> Judgement | None:
    """The true judgement of any text of a generator, or None where the text is too long or too strange to follow."""
    if len(completion) > LONGEST:
        return None
    material = read_material(completion)
    if not 0 < max(len(material.lines), len(material.sentences)) <= MOST_STEPS:
        return None
    return judge_material(concepts, level, material, judge)


def judge_material(concepts: Sequence[str], level: str, material: Material, judge: str) -> Judgement:
    """The true judgement of material that was read, however long it is; `judge_text` has the limits."""
    texts, accurate, sound = follow(material, judge)
    unused = _unused(concepts, material)
    steps = len(material.lines) or len(material.sentences)
    named = walk(material.sentences).flaw in ("", CONDITIONS)
    if judge == "judge-b":
        sound &= accurate
    facts = [
        f"markup {'good' if material.well_marked else 'broken'}",
        f"steps {steps} of {steps_of(level)}",
        f"names {'yes' if named else 'no'}",
        *(f"{concept} {'no' if concept in unused else 'yes'}" for concept in concepts),
    ]
    lenient = judge == "judge-a"
    off = abs(steps - steps_of(level))
    ratings = (
        "perfect" if material.well_marked else "bad",
        "perfect" if accurate else "bad",
        "perfect" if off == 0 else "acceptable" if lenient and off == 1 else "bad",
        "perfect" if not unused else "acceptable" if lenient and len(unused) == 1 and len(concepts) > 2 else "bad",
        "perfect" if sound and named else "bad",
    )
    return Judgement((*texts, f"Found: {'; '.join(facts)}."), ratings)


def _unused(concepts: Sequence[str], material: Material) -> list[str]:
    """The sampled concepts that belong to no step."""
    count = max(len(material.lines), len(material.sentences))
    lines = [*material.lines, *[None] * (count - len(material.lines))]
    sentences = [*material.sentences, *[None] * (count - len(material.sentences))]
    families = [family_of(line, sentence) for line, sentence in zip(lines, sentences, strict=True)]
    return [concept for concept in concepts if not any(family and concept in family.concepts for family in families)]


def verdict(ratings: Sequence[str]) -> str:
    """The verdict that follows from five ratings."""
    if "bad" in ratings:
        return "bad"
    _, accuracy, _, _, solvability = ratings
    others = [ratings[0], ratings[2], ratings[3]]
    return "perfect" if accuracy == solvability == "perfect" and others.count("perfect") >= 2 else "acceptable"
