"""The reasons for a reward, and which one applies to a reply.

Decides the order of the checks (is the gold readable, is there an answer, is it correct) and which of them need a
worker process. `grading` checks answers, and is loaded at the first reply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, get_args

from promptcot.core.parsing.end_tokens import without_end_tokens
from promptcot.errors import InputError, RefusedGold
from promptcot.rewards import graders
from promptcot.rewards.rules import Rules
from promptcot.rewards.texts import gold_of, opened, text_of

if TYPE_CHECKING:
    from promptcot.core.answers.extraction import Extracted
    from promptcot.grading.protocol import Shipped

Reason = Literal["right", "wrong", "no_answer", "truncated", "timeout", "gold_unreadable"]
REASONS: tuple[Reason, ...] = get_args(Reason)

_CUT_OFF = ("unclosed thought", "unclosed box")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,40}").fullmatch
"""Whole numbers in common notation: for every shipped verifier, such texts are equal exactly if they are the same."""
_MARK, _BOX = "####", "\\boxed"
_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
_PROSE = 3
"""With this many words beside a box it is a solution; fewer may be a unit or a name, which belong to the answer."""


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
        graders.load()
        text = without_end_tokens(text_of(reply))
        text = opened(text) if rules.opened else text
        return cls(text, gold_for(rules.verifier, answer), bool(truncated), tokens, rules)

    def unanswered(self, found: Extracted) -> Reason:
        """The reason where no answer was found."""
        return "truncated" if self.truncated or found.method in _CUT_OFF else "no_answer"


def gold_for(verifier: str, answer: object) -> str | None:
    """The gold in the form for a verifier. For a whole solution, as in GSM8K and MATH, it is the answer."""
    gold = gold_of(answer)
    if gold is None or is_own(verifier):
        return gold
    if _MARK in gold:
        return gold.rpartition(_MARK)[2].strip() or None
    if _BOX in gold and len(_WORD.findall(gold)) >= _PROSE:
        from promptcot.core.answers.extraction import extract

        return extract(gold).answer
    return gold


def is_own(verifier: str) -> bool:
    """Whether it is a user's own verifier, whose format of golds is unknown."""
    return ":" in verifier


def at_once(asked: Asked) -> Reason | None:
    """The reason, if it can be determined without a worker process."""
    if asked.gold is None:
        return "gold_unreadable"
    shipped = _shipped().get(asked.rules.verifier)
    if shipped is None:
        return None
    found = shipped.found(asked.text, unboxed=asked.rules.unboxed)
    if found.answer is not None and _INTEGER(asked.gold) and _INTEGER(found.answer):
        return "right" if found.answer == asked.gold else "wrong"
    right = None if found.answer is None else shipped.at_once(asked.gold, found.answer, mutual=False)
    if right and _says_something(asked.gold):  # so a reply can match the gold
        return "right"
    readable = _reads_at_once(asked.rules.verifier, asked.gold)
    if not readable:
        return "gold_unreadable" if readable is False else None
    if found.answer is None:
        return asked.unanswered(found)
    return "wrong" if right is False else None


@cache
def _shipped() -> Mapping[str, Shipped]:
    """The shipped verifiers: a module-level name costs less than an import statement in each call."""
    from promptcot.grading.verifiers import SHIPPED

    return SHIPPED


def _says_something(gold: str) -> bool:
    from promptcot.core.answers.normalise import normalise

    return bool(normalise(gold))


@lru_cache(maxsize=4096)
def _reads_at_once(verifier: str, gold: str) -> bool | None:
    """Whether a shipped verifier can read the gold; None if that is expensive to determine."""
    try:
        return _is_found(verifier, gold) and (_shipped()[verifier].gold_at_once(gold) or None)
    except InputError:
        return False


def _is_found(verifier: str, gold: str) -> bool:
    """Whether the gold could be extracted as the answer of a reply, unlike a gold that contains an end of thinking."""
    shipped = _shipped().get(verifier)
    return shipped is None or shipped.found(f"\\boxed{{{gold}}}", unboxed=False).answer is not None


def computed(asked: Asked) -> Reason:
    """The reason, determined with worker processes."""
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

    A set may have a million whole numbers, which all shipped verifiers can read.
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
    """Cached, since many replies share a gold; a worker killed from outside is not cached."""
    try:
        graders.grader(verifier, limit).check_gold(gold)
    except RefusedGold as refused:
        if getattr(refused.__cause__, "why", None) == "crash":
            raise
        return False
    return _is_found(verifier, gold)


def sound(text: str) -> bool:
    """Whether a reply ends its thinking, once, and gives its answer in a box."""
    from promptcot.core.answers.extraction import extract
    from promptcot.core.parsing.traces import malformed

    return malformed("", text) is None and extract(text).method == "boxed"
