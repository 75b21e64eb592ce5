"""Asks verifiers whether a problem is well-posed: several votes about the problem alone, and what they come to.

A verifier sees neither concepts, rationale nor level, since a problem has to stand alone. One model gives all votes and
the stage decides, or several models share them: a stage for each, side by side, whose rows `with_votes` joins, and the
step `Validity`, which decides. What is not valid is left out, as `undecided` or as `invalid: ` and the criterion that
most votes say is not met. How a vote is read is in `core.parsing.verifying`, what votes come to in `core.validity`.
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
"""How many votes there are where nobody says otherwise."""
MIN_SHARE = 0.6
"""The share of them that must say valid, where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Verify:
    """A request for each of `votes`, the numbers of the votes that the model called `voter` gives, raw or as a chat.

    With `min_share` the stage is called `verify` and decides; without, it is `verify-VOTER`, one of several, and
    counts. Raises InputError where the domain does not say what verifiers are asked.
    """

    voter: str
    prompts: PromptSet
    sampling: Sampling
    seed: int
    chat: bool = False
    votes: Sequence[int] = range(VOTES)
    min_share: float | None = None
    partial = True  # a vote that does not come is undecided, and takes no other with it

    def __post_init__(self) -> None:
        self.prompts.asked_of_verifiers()

    @property
    def name(self) -> str:
        return f"{NAME}-{self.voter}" if self.min_share is None else NAME

    def ask(self, row: Row) -> Sequence[Request]:
        """A request for each vote, with a seed of its own. Raises UnfitRow when the row has no problem."""
        asker = Asker(self.prompts, self.sampling, self.chat)
        request = asker.request(NAME, 0, self._variables(row))
        seeds = (derive_seed(self.seed, NAME, row["id"], vote) for vote in self.votes)
        return [replace(request, seed=seed, sample=vote) for seed, vote in zip(seeds, self.votes, strict=True)]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Drop:
        """The row with `validity`; or left out, where this stage decides and it is not valid.

        The row that is left out has `validity` too, and `findings`, the words of a vote against it. Where no vote could
        be read, the raw texts are kept.
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
        """Why a row says nothing about its problem: no vote of this model could be read; None where one could."""
        return None if tally_of(row["validity"]).heard else "undecided"

    def _variables(self, row: Row) -> dict[str, Any]:
        problem = problem_of(row, f"{self.name}: row {row.get('id')}")
        return self.prompts.verifying(problem, derive_seed(self.seed, NAME, row["id"]))


def _findings(votes: Sequence[Vote], replies: Sequence[Completion]) -> Row:
    """The words of the first vote that says invalid; nothing where none does."""
    against = (reply.text for vote, reply in zip(votes, replies, strict=True) if vote.verdict == "invalid")
    first = next(against, None)
    return {} if first is None else {"findings": first}


def _refused(counted: Tally, min_share: float, asked: Verification) -> Drop | None:
    """Why a problem is left out by its votes; None for a valid one."""
    verdict = counted.verdict(min_share)
    if verdict == "valid":
        return None
    details = {"validity": counted.fields(verdict)}
    named = counted.most_named()
    if verdict == "invalid" and named is not None:
        return Drop(f"{INVALID}{asked.label(named)}", details=details)
    return Drop(verdict, details=details)


def share_votes(votes: int, voters: int) -> list[tuple[int, ...]]:
    """The numbers of the votes that each of several models gives, in turn."""
    return [tuple(range(first, votes, voters)) for first in range(voters)]


def with_votes(row: Row, made: Mapping[str, Row]) -> Row:
    """A row with the votes of all models that gave some, counted together and not decided yet."""
    counted = sum((tally_of(one["validity"]) for one in made.values()), Tally())
    findings = [one["findings"] for one in made.values() if "findings" in one]
    return {**row, "validity": counted.fields(None), **({"findings": findings[0]} if findings else {})}


class Validity:
    """The step that decides by the `validity` of a row, of the `votes` that were wanted of all models together."""

    name = NAME

    def __init__(self, prompts: PromptSet, min_share: float, votes: int) -> None:
        self._asked = prompts.asked_of_verifiers()
        self._min_share = min_share
        self._votes = votes

    def apply(self, row: Row) -> Sequence[Row] | Drop:
        """The valid row; or a drop, as `Verify` makes it. Votes of a model that failed altogether are undecided."""
        counted = replace(tally_of(row["validity"]), wanted=self._votes)
        drop = _refused(counted, self._min_share, self._asked)
        if drop is not None:
            return drop
        return [
            {**{key: value for key, value in row.items() if key != "findings"}, "validity": counted.fields("valid")}
        ]

    def finish(self) -> Sequence[Row]:
        """Nothing is held back."""
        return ()
