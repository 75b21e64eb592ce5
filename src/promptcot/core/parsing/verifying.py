"""Parses a verifier's vote. It is unreadable unless it has an answer to each criterion and a verdict that agrees.

`labelled` decides how strictly it is parsed and whose words count, as for judges. A vote that cannot be parsed is
undecided, never valid; so is one that says that a criterion is unclear. The criteria come from
the domain's `verify.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from promptcot.core.parsing.disowned import declines_to_vote
from promptcot.core.parsing.labelled import Form, read_labelled
from promptcot.core.parsing.scale import Scale
from promptcot.core.verification import ANSWERS, VERDICTS, Answer, Verification, VoteVerdict, vote_of
from promptcot.records import FinishReason

_ANSWERS, _VERDICTS = Scale(ANSWERS), Scale(VERDICTS)


@dataclass(frozen=True, slots=True)
class Vote:
    """A verifier's reply, parsed. `answers` are by key, and empty for a vote that cannot be parsed.

    `reason` says why it cannot be parsed, and is None otherwise.
    """

    verdict: VoteVerdict
    answers: Mapping[str, Answer] = field(default_factory=dict)
    reason: str | None = None


def read_vote(
    text: str, finish_reason: FinishReason, verification: Verification, problem: str, mark: str | None = None
) -> Vote:
    """The vote in a reply about `problem`. Never raises.

    `mark` and the reasons are those of `labelled.read_labelled`.
    """
    stated = read_labelled(text, finish_reason, _form(verification), problem, mark)
    if stated.verdict is None:
        return Vote("undecided", reason=stated.reason)
    return Vote(cast("VoteVerdict", stated.verdict), cast("Mapping[str, Answer]", stated.answers))


@lru_cache(maxsize=32)
def _form(verification: Verification) -> Form:
    return Form(verification.lines, _ANSWERS, _VERDICTS, vote_of, "verifier", "answers", declines_to_vote)
