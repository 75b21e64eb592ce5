"""Parses a judge's reply. It is invalid unless it has every rating and a verdict that agrees with them.

`labelled` decides how strictly it is parsed and whose words count. The rule from ratings to verdict, and the names of
the lines, come from the domain's `criteria`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import cast

from promptcot.core.criteria import RATINGS, Criteria, Rating, Verdict, recompute
from promptcot.core.parsing.disowned import declines_to_rate
from promptcot.core.parsing.labelled import Form, read_labelled
from promptcot.core.parsing.scale import Scale
from promptcot.records import FinishReason

_QUOTES = "\"'“”‘’`"
_SCALE = Scale(RATINGS)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A judge's reply, parsed. `ratings` are by key, in the order of the criteria; an invalid one may lack some.

    `reason` says why it is invalid, and is None otherwise.
    """

    verdict: Verdict
    ratings: Mapping[str, Rating] = field(default_factory=dict)
    reason: str | None = None


def read_reply(
    text: str,
    finish_reason: FinishReason,
    criteria: Criteria,
    material: str | None = None,
    mark: str | None = None,
) -> Judgement:
    """The judgement in a judge's reply about `material`, if that is known. Never raises.

    `mark` and the reasons of invalid judgements are those of `labelled.read_labelled`.
    """
    stated = read_labelled(text, finish_reason, _form(criteria), material, mark)
    ratings = cast("Mapping[str, Rating]", stated.answers)
    return Judgement(cast("Verdict", stated.verdict or "invalid"), ratings, stated.reason)


def read_word(text: object) -> Verdict:
    """The verdict of a row without ratings: the word itself, ignoring case, quotes, asterisks and a final dot."""
    if not isinstance(text, str):
        return "invalid"
    around = _QUOTES + "* \t\r\n"
    word = _SCALE.word(text.strip(around).removesuffix(".").strip(around))
    return cast("Verdict", word or "invalid")


@lru_cache(maxsize=32)
def _form(criteria: Criteria) -> Form:
    follows = partial(recompute, criteria=criteria)
    return Form(criteria.lines, _SCALE, _SCALE, follows, "judge", "ratings", declines_to_rate)
