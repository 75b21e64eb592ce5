"""Scores a reply: a number and a reason.

Decides the value of each reason. A gold that cannot be read gives no value; a reply on which the verifier times out
gets the value of an incorrect one, because models would otherwise learn to write such replies. Uses no signals, and
works in any thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Unpack

from promptcot.rewards import graders
from promptcot.rewards.rules import Options, Rules
from promptcot.rewards.verdicts import REASONS, Asked, Reason, at_once, computed, gold_for, reads, sound

NAMES = {reason: f"reason/{reason}" for reason in REASONS}
"""The names of reasons in the logs of trainers."""
_NONE_HOLDS = dict.fromkeys(NAMES.values(), 0.0)


@dataclass(frozen=True)
class Score:
    """The reward of a reply, and its reason.

    `timeout` means that the verifier gave no verdict: it reached its time or memory limit, or it failed. `value` is
    None for `gold_unreadable` only, which is a fault of the row, not of the reply.
    """

    value: float | None
    reason: Reason

    @property
    def number(self) -> float:
        """The value, or 0 for trainers that do not support None."""
        return self.value or 0.0


def score(
    reply: object, answer: object, *, truncated: bool = False, tokens: int | None = None, **options: Unpack[Options]
) -> Score:
    r"""The score of `reply` with the gold `answer`; `options` are those of `Rules`.

    `reply` may be a text, bytes, a message, a list of messages, or parts of content (`texts.text_of`). `truncated` says
    that it was cut off, `tokens` how long it is. Raises UsageError and InputError for invalid options.

    >>> score(r"So it is \boxed{0.5}.", r"\frac12")
    Score(value=1.0, reason='right')
    """
    asked = Asked.of(reply, answer, truncated, tokens, Rules.of(options))
    return _worth(asked, at_once(asked) or computed(asked))


async def ascore(
    reply: object, answer: object, *, truncated: bool = False, tokens: int | None = None, **options: Unpack[Options]
) -> Score:
    """Like `score`, without blocking the event loop."""
    asked = Asked.of(reply, answer, truncated, tokens, Rules.of(options))
    return await _ascored(asked)


def score_batch(
    replies: Sequence[object],
    answers: Sequence[object],
    *,
    truncated: Sequence[bool] | None = None,
    tokens: Sequence[int] | None = None,
    **options: Unpack[Options],
) -> list[Score]:
    """Like `score`, for each reply with the answer at the same index; worker processes do the expensive comparisons."""
    asked = list(_several(replies, answers, truncated, tokens, Rules.of(options)))
    found = list(map(at_once, asked))
    slow = [one for one, reason in zip(asked, found, strict=True) if reason is None] if None in found else []
    later = iter(_all_computed(slow) if slow else [])
    return [_worth(one, next(later) if reason is None else reason) for one, reason in zip(asked, found, strict=True)]


def _all_computed(asked: Sequence[Asked]) -> list[Reason]:
    with ThreadPoolExecutor(min(len(asked), graders.workers())) as threads:
        return list(threads.map(computed, asked))


async def ascore_batch(
    replies: Sequence[object],
    answers: Sequence[object],
    *,
    truncated: Sequence[bool] | None = None,
    tokens: Sequence[int] | None = None,
    **options: Unpack[Options],
) -> list[Score]:
    """Like `score_batch`, without blocking the event loop."""
    asked = _several(replies, answers, truncated, tokens, Rules.of(options))
    return list(await asyncio.gather(*(_ascored(one) for one in asked)))


def passes(answer: object, **options: Unpack[Options]) -> bool:
    """Whether a gold passes its own verifier, so that a reply can match it."""
    rules = Rules.of(options)
    gold = gold_for(rules.verifier, answer)
    return gold is not None and reads(rules.verifier, rules.limit, gold)


def shares(scores: Iterable[Score]) -> dict[str, float]:
    """The share of each reason, for a trainer's log; all of them, so that every step logs the same names."""
    found = [one.reason for one in scores]
    return {name: found.count(reason) / max(1, len(found)) for reason, name in NAMES.items()}


def flags(one: Score) -> dict[str, float]:
    """1 for the reason that applies and 0 for all others, for trainers that average what a reward returns."""
    return {**_NONE_HOLDS, NAMES[one.reason]: 1.0}


def _several(
    replies: Sequence[object],
    answers: Sequence[object],
    truncated: Sequence[bool] | None,
    tokens: Sequence[int] | None,
    rules: Rules,
) -> Iterator[Asked]:
    """Raises ValueError if the lengths differ."""
    cut = [False] * len(replies) if truncated is None else truncated
    lengths = [None] * len(replies) if tokens is None else tokens
    for reply, answer, was_cut, length in zip(replies, answers, cut, lengths, strict=True):
        yield Asked.of(reply, answer, was_cut, length, rules)


async def _ascored(asked: Asked) -> Score:
    if (reason := at_once(asked)) is not None:
        return _worth(asked, reason)
    grader = graders.grader(asked.rules.verifier, asked.rules.limit)
    return _worth(asked, await grader.in_thread(computed, asked))


def _worth(asked: Asked, reason: Reason) -> Score:
    """The score of a reason, including bonus and penalty."""
    penalty = asked.rules.penalty(asked.tokens)
    if reason == "gold_unreadable":
        return Score(None, reason)
    form = asked.rules.format if asked.rules.format and sound(asked.text) else 0.0
    return Score(float(reason == "right") + form - penalty, reason)
