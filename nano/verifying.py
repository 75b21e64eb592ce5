"""What the verifier writes of a problem alone, and the ill-posed problems that it and the solver learn to know."""

from __future__ import annotations

import random
from collections.abc import Sequence

from nano import spoiling, wrong
from nano.catalogue import steps_of
from nano.families import Family
from nano.problems import DesignError, Draw, design
from nano.sentences import Sentence
from nano.solving import CONDITIONS, QUESTION, TERMS, Walk, walk
from nano.spoiling import Sentences

CRITERIA = {TERMS: "Terms Defined", CONDITIONS: "Conditions Consistent", QUESTION: "Single Question"}
# most of what a generator gets wrong are constraints
_WEIGHTS = {
    "constraint": 30, "idea": 20, "sum": 20, "dropped": 7, "renamed": 7, "unlinked": 3, "question": 6, "changed": 4,
    "zero": 1,
}  # fmt: skip
_DESIGNS: dict[str, Draw] = {"idea": wrong.wrong_idea, "sum": wrong.wrong_sum}


def verification(walked: Walk) -> str:
    """The verifier's reply: the way through the problem, the three criteria and the verdict.

    A criterion is "no" where the first flaw is one of it.
    """
    answers = [f"{label}: {'no' if walked.flaw == criterion else 'yes'}" for criterion, label in CRITERIA.items()]
    return "\n".join([*walked.lines, *answers, f"Final Verdict: {'invalid' if walked.flaw else 'valid'}"])


def text_of(sentences: Sequence[Sentence]) -> str:
    """The problem that the sentences make."""
    return " ".join(sentence.text for sentence in sentences)


def ill_posed(level: str, rng: random.Random) -> Sentences:
    """A problem with one defect that shows in the problem alone. Raises DesignError where none was found."""
    for _ in range(20):
        kind = rng.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()))[0]
        made = design((), level, rng, draw=_spoiling(kind, level, rng))
        sentences: Sentences | None = tuple(step.sentence for step in made.steps)
        if kind in spoiling.DEFECTS and sentences:
            sentences = spoiling.DEFECTS[kind](sentences, rng)
        if sentences and spoiling.allowed(sentences) and walk(sentences).flaw:
            return sentences
    raise DesignError(f"no ill-posed problem at {level}")


def _spoiling(kind: str, level: str, rng: random.Random) -> Draw:
    if kind not in _DESIGNS:
        return Family.draw
    return wrong.at_one_place(_DESIGNS[kind], steps_of(level), rng)
