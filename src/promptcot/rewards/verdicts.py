"""Why a reply is worth what it is: the reasons, and which one holds.

Decides the order in which questions are asked: can the gold be met, is there an answer, is it right; and which of them
take a worker process. Whether an answer is right is decided in `grading`, which is loaded when the first reply comes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

from promptcot.errors import InputError, RefusedGold
from promptcot.rewards import graders
from promptcot.rewards.rules import Rules
from promptcot.rewards.texts import gold_of, opened, text_of

if TYPE_CHECKING:
    from promptcot.core.answers.extraction import Extracted

Reason = Literal["right", "wrong", "no_answer", "truncated", "timeout", "gold_unreadable"]
REASONS: tuple[Reason, ...] = get_args(Reason)

_CUT_OFF = ("unclosed thought", "unclosed box")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,40}").fullmatch
"""Whole numbers as they are mostly written: such texts are the same to every verifier that ships, or they are not."""


@dataclass(slots=True)
class Asked:
    """One reply and its gold as texts, with the rules."""

    text: str
    gold: str | None
    truncated: bool
    tokens: int | None
    rules: Rules

    @classmethod
    def of(cls, reply: object, answer: object, truncated: bool, tokens: int | None, rules: Rules) -> Asked:
        text = text_of(reply)
        return cls(opened(text) if rules.opened else text, gold_of(answer), bool(truncated), tokens, rules)

    def unanswered(self, found: Extracted) -> Reason:
        """The reason where no answer was found."""
        return "truncated" if self.truncated or found.method in _CUT_OFF else "no_answer"


def at_once(asked: Asked) -> Reason | None:
    """The reason, where no worker process is needed to tell."""
    from promptcot.grading.verifiers import SHIPPED

    if asked.gold is None:
        return "gold_unreadable"
    shipped = SHIPPED.get(asked.rules.verifier)
    if shipped is None:
        return None
    found = shipped.found(asked.text, unboxed=asked.rules.unboxed)
    if found.answer is not None and _INTEGER(asked.gold) and _INTEGER(found.answer):
        return "right" if found.answer == asked.gold else "wrong"
    right = None if found.answer is None else shipped.at_once(asked.gold, found.answer, mutual=False)
    if right:  # and so the gold can be met
        return "right"
    readable = _reads_at_once(asked.rules.verifier, asked.gold)
    if not readable:
        return "gold_unreadable" if readable is False else None
    if found.answer is None:
        return asked.unanswered(found)
    return "wrong" if right is False else None


@lru_cache(maxsize=4096)
def _reads_at_once(verifier: str, gold: str) -> bool | None:
    """Whether a verifier that ships can read the gold; None where that takes computing."""
    from promptcot.grading.verifiers import SHIPPED

    try:
        return SHIPPED[verifier].gold_at_once(gold) or None
    except InputError:
        return False


def computed(asked: Asked) -> Reason:
    """The reason, with the help of worker processes."""
    from promptcot.core.parsing.traces import after_thought

    assert asked.gold is not None
    grader = graders.grader(asked.rules.verifier, asked.rules.limit)
    if not reads(asked.rules.verifier, asked.rules.limit, asked.gold):
        return "gold_unreadable"
    reply = after_thought(asked.text)
    if reply is None:
        return "truncated"
    found = grader.extract(reply, unboxed=asked.rules.unboxed)
    if found.lost:
        return "timeout"
    if found.answer is None:
        return asked.unanswered(found)
    right = grader.grade(asked.gold, found.answer).correct
    return "timeout" if right is None else "right" if right else "wrong"


def reads(verifier: str, limit: float, gold: str) -> bool:
    """Whether the gold passes its own verifier. Raises InputError for a verifier that cannot be opened.

    A set may have a million whole numbers, which all verifiers that ship can read.
    """
    from promptcot.grading.verifiers import SHIPPED

    if verifier in SHIPPED and _INTEGER(gold):
        return True
    try:
        return _reads(verifier, limit, gold)
    except RefusedGold:
        return False


@lru_cache(maxsize=4096)
def _reads(verifier: str, limit: float, gold: str) -> bool:
    """Remembered, since many replies have a gold in common; but not that a worker was killed by somebody else."""
    try:
        graders.grader(verifier, limit).check_gold(gold)
    except RefusedGold as refused:
        if getattr(refused.__cause__, "why", None) == "crash":
            raise
        return False
    return True


def sound(text: str) -> bool:
    """Whether a reply ends its thinking, once, and gives its answer in a box."""
    from promptcot.core.answers.extraction import extract
    from promptcot.core.parsing.traces import malformed

    return malformed("", text) is None and extract(text).method == "boxed"
