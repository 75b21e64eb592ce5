"""Asks verifiers whether a problem is well-posed: several votes on the problem alone, and their result.

A verifier sees no concepts, rationale or level, because a problem must be complete by itself. Either one model gives
all votes and the stage decides, or several models share them: each has a stage, the stages run side by side,
`with_votes` joins their rows, and the step `Validity` decides. Problems that are not valid are dropped, as `undecided`
or as `invalid: ` and the criterion that most votes say is not met. `core.parsing.verifying` parses votes,
`core.validity` counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptcot.core.parsing.verifying import Vote, read_vote
from promptcot.core.problems import problem_of
from promptcot.core.prompts import PromptSet
from promptcot.core.remedies import INVALID
from promptcot.core.validity import Tally, tally, tally_of
from promptcot.core.verification import Verification
from promptcot.records import Completion, Drop, Request, Row, Sampling, derive_seed
from promptcot.stages.asking import Asker

NAME = "verify"
VOTES = 5
"""The default number of votes."""
MIN_SHARE = 0.6
"""The default share of votes that must be valid."""


@dataclass(frozen=True, slots=True)
class Verify:
    """A request for each of `votes`, the numbers of the votes of the model called `voter`, raw or as a chat.

    With `min_share` the stage is called `verify` and decides; otherwise it is called `verify-VOTER`, is one of several,
    and only counts. Raises InputError if the domain has no prompt for verifiers.
    """

    voter: str
    prompts: PromptSet
    sampling: Sampling
    seed: int
    chat: bool = False
    votes: Sequence[int] = range(VOTES)
    min_share: float | None = None
    partial = True  # a failed vote counts as undecided, and the others still count

    def __post_init__(self) -> None:
        self.prompts.asked_of_verifiers()

    @property
    def name(self) -> str:
        return f"{NAME}-{self.voter}" if self.min_share is None else NAME

    def ask(self, row: Row) -> Sequence[Request]:
        """A request for each vote, with its own seed. Raises UnfitRow when the row has no problem."""
        asker = Asker(self.prompts, self.sampling, self.chat)
        request = asker.request(NAME, 0, self._variables(row))
        seeds = (derive_seed(self.seed, NAME, row["id"], vote) for vote in self.votes)
        return [replace(request, seed=seed, sample=vote) for seed, vote in zip(seeds, self.votes, strict=True)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Drop:
        """The row with `validity`; a drop if this stage decides and the problem is not valid.

        The dropped row has `validity` too, and `findings`, the text of a vote against it. If no vote could be parsed,
        the raw texts are kept.
        """
        asked, told = self.prompts.asked_of_verifiers(), self._variables(row)
        votes = [
            read_vote(reply.text, reply.finish_reason, asked, told["problem"], told["own_mark"]) for reply in replies
        ]
        counted = tally(votes, [line.key for line in asked.criteria], self.voter)
        if self.min_share is None:
            return [{**row, "validity": counted.fields(None), **_findings(votes, replies)}]
        drop = _refused(counted, self.min_share, asked)
        if drop is None:
            return [{**row, "validity": counted.fields("valid")}]
        unread = () if counted.heard else tuple(reply.text for reply in replies)
        return replace(drop, raw=unread, details={**drop.details, **_findings(votes, replies)})

    def unusable(self, row: Row) -> str | None:
        """Why a row is unusable: no vote of this model could be parsed; None if one could."""
        return None if tally_of(row["validity"]).heard else "undecided"

    def _variables(self, row: Row) -> dict[str, Any]:
        problem = problem_of(row, f"{self.name}: row {row.get('id')}")
        return self.prompts.verifying(problem, derive_seed(self.seed, NAME, row["id"]))


def _findings(votes: Sequence[Vote], replies: Sequence[Completion]) -> Row:
    """The text of the first vote that says invalid; empty if there is none."""
    against = (reply.text for vote, reply in zip(votes, replies, strict=True) if vote.verdict == "invalid")
    first = next(against, None)
    return {} if first is None else {"findings": first}


def _refused(counted: Tally, min_share: float, asked: Verification) -> Drop | None:
    """Why a problem is dropped by its votes; None for a valid one."""
    verdict = counted.verdict(min_share)
    if verdict == "valid":
        return None
    details = {"validity": counted.fields(verdict)}
    named = counted.most_named()
    if verdict == "invalid" and named is not None:
        return Drop(f"{INVALID}{asked.label(named)}", details=details)
    return Drop(verdict, details=details)


def share_votes(votes: int, voters: int) -> list[tuple[int, ...]]:
    """The numbers of the votes of each model; votes are assigned in turn."""
    return [tuple(range(first, votes, voters)) for first in range(voters)]


def with_votes(row: Row, made: Mapping[str, Row]) -> Row:
    """A row with the votes of all models counted together, without a decision."""
    counted = sum((tally_of(one["validity"]) for one in made.values()), Tally())
    findings = [one["findings"] for one in made.values() if "findings" in one]
    return {**row, "validity": counted.fields(None), **({"findings": findings[0]} if findings else {})}


class Validity:
    """The step that decides by the `validity` of a row; `votes` is the number requested from all models together."""

    name = NAME

    def __init__(self, prompts: PromptSet, min_share: float, votes: int) -> None:
        self._asked = prompts.asked_of_verifiers()
        self._min_share = min_share
        self._votes = votes

    def apply(self, row: Row) -> Sequence[Row] | Drop:
        """The valid row; or a drop, as `Verify` makes it. The votes of a model that failed completely are undecided."""
        counted = replace(tally_of(row["validity"]), wanted=self._votes)
        drop = _refused(counted, self._min_share, self._asked)
        if drop is not None:
            return drop
        return [
            {**{key: value for key, value in row.items() if key != "findings"}, "validity": counted.fields("valid")}
        ]

    def finish(self) -> Sequence[Row]:
        """No rows: nothing is held back."""
        return ()
