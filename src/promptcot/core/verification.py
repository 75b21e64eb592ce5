"""The criteria for verifiers, and the rule from answers to a vote. Both are data of a domain.

A domain's `verify.toml` names the criteria in the order of the reply. The words of answers and votes are the same in
all domains. `parsing.verifying` parses replies; `validity` combines votes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from promptcot.core.criteria import Criterion, criterion_of, label_mistakes, shape_mistakes
from promptcot.errors import InputError

Answer = Literal["yes", "unclear", "no"]
VoteVerdict = Literal["valid", "undecided", "invalid"]

ANSWERS: tuple[Answer, ...] = ("yes", "unclear", "no")
VERDICTS: tuple[VoteVerdict, ...] = ("valid", "undecided", "invalid")
"""From best to worst, like the answers."""

_CRITERION = {"key": str, "label": str, "aliases": list, "meaning": str}
_VERDICT = {"label": str, "aliases": list}


@dataclass(frozen=True, slots=True)
class Verification:
    """The criteria in order, and the line of the vote."""

    criteria: tuple[Criterion, ...]
    verdict: Criterion

    @property
    def lines(self) -> tuple[Criterion, ...]:
        """All lines of a reply, the vote's last."""
        return *self.criteria, self.verdict

    def label(self, key: str) -> str:
        """A criterion's name in replies and reasons."""
        return next((line.label for line in self.criteria if line.key == key), key)


def vote_of(answers: Mapping[str, str]) -> VoteVerdict:
    """The vote that follows from all answers: invalid if one is no, valid if all are yes, else undecided."""
    words = {*answers.values()}
    if "no" in words:
        return "invalid"
    return "undecided" if "unclear" in words else "valid"


def parse_verification(text: str, where: str) -> Verification:
    """The verification in TOML `text`. Raises InputError with all mistakes; `where` names the file."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not TOML: {error}") from error
    if mistakes := shape_mistakes(data, "criteria", "criterion", _CRITERION, _VERDICT) or label_mistakes(
        data["criteria"], data["verdict"]
    ):
        raise InputError("\n".join([f"{where}: these criteria cannot be used", *(f"  - {m}" for m in mistakes)]))
    verdict = criterion_of({"key": "verdict", **data["verdict"]})
    return Verification(tuple(map(criterion_of, data["criteria"])), verdict)
