"""Walks through a problem as a solver does, to its answer or to the first thing that is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from nano.sentences import NAMES, Sentence
from nano.solutions import work_out

LIMIT = 1_000_000
"""Of every value and operand of this world."""
REFUSAL = "There is no such number."
TERMS, CONDITIONS, QUESTION = "terms", "conditions", "question"


class _Wrong(Exception):
    """What is wrong: one of the three criteria, and a sentence that says so."""

    def __init__(self, criterion: str, words: str = "") -> None:
        self.criterion, self.words = criterion, words


@dataclass
class Walk:
    """The lines of thought, the values of the steps, and the criterion that fails ("" where none does)."""

    lines: list[str] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    flaw: str = ""

    @property
    def solution(self) -> str:
        """What the solver writes."""
        said = REFUSAL if self.flaw else f"The answer is \\boxed{{{self.values[-1]}}}."
        return "\n".join(["<think>", *self.lines, "</think>", said])


def walk(sentences: Sequence[Sentence]) -> Walk:
    """The way through a problem, for any sentences."""
    walked = Walk()
    try:
        for place, sentence in enumerate(sentences):
            if place and not walked.names[-1]:
                raise _Wrong(QUESTION, "Text follows the question." if sentence.name else "There is a second question.")
            _step(walked, place, sentence)
        if not walked.names or walked.names[-1]:
            raise _Wrong(QUESTION, "There is no question.")
    except _Wrong as wrong:
        walked.flaw = wrong.criterion
        if wrong.words:
            walked.lines.append(wrong.words)
    return walked


def _step(walked: Walk, place: int, sentence: Sentence) -> None:
    """One more line. Raises _Wrong, after the line as far as it goes."""
    line = f"Step {place + 1}: "
    if sentence.family is None:
        raise _Wrong(QUESTION if place and not sentence.name else TERMS, line + "It cannot be read.")
    before = walked.names[-1] if walked.names else ""
    reference = walked.values[-1] if walked.values else 0
    shown = [sentence.shown[slot] for slot in sentence.family.slots]
    line += f"{title(sentence.family.key)} {', '.join(_valued(text, before, reference) for text in shown)}."
    try:
        _check_terms(walked.names, place, sentence)
    except _Wrong as wrong:
        raise _Wrong(TERMS, f"{line} {wrong.words}") from None
    operands = {slot: int(text) if text.isdigit() else reference for slot, text in sentence.shown.items()}
    if max(operands.values()) > LIMIT:
        raise _Wrong(CONDITIONS, f"{line} It is too large.")
    facts, value = work_out(sentence.family.key, operands)
    worked = " ".join([line, *(f"{fact}." for fact in facts)])
    if value is None:
        raise _Wrong(CONDITIONS, worked)
    if value > LIMIT:
        raise _Wrong(CONDITIONS, f"{worked} It is too large.")
    walked.lines.append(f"{worked} {sentence.name}={value}." if sentence.name else f"{worked} So {value}.")
    walked.values.append(value)
    walked.names.append(sentence.name)


def title(key: str) -> str:
    """A family's key as it stands in thoughts and judgements."""
    return key.replace("_", " ")


def _valued(text: str, before: str, reference: int) -> str:
    return f"{text}={reference}" if text and text == before else text or "?"


def _check_terms(names: Sequence[str], place: int, sentence: Sentence) -> None:
    """Raises _Wrong where a name or an operand is not what the place asks for."""
    assert sentence.family is not None
    before = names[-1] if names else ""
    if place > len(NAMES):
        raise _Wrong(TERMS, "There are too many steps.")
    if sentence.name and sentence.name in names:
        raise _Wrong(TERMS, f"{sentence.name} is defined twice.")
    if sentence.name and (place == len(NAMES) or sentence.name not in NAMES[place]):
        raise _Wrong(TERMS, f"{sentence.name} has the wrong place.")
    if "" in sentence.shown.values():
        raise _Wrong(TERMS, "An operand is missing.")
    references = {slot: text for slot, text in sentence.shown.items() if not text.isdigit()}
    for text in references.values():
        if text not in names:
            raise _Wrong(TERMS, f"{text} is not defined.")
        if text != before:
            raise _Wrong(TERMS, f"{text} is used again.")
    if len(references) > 1:
        raise _Wrong(TERMS, f"{before} is used twice.")
    if before and not references:
        raise _Wrong(TERMS, f"{before} is not used.")
    if references and sentence.family.slot not in references:
        raise _Wrong(TERMS, f"{before} has the wrong place.")
