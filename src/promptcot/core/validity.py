"""Whether a problem is well-posed, by the votes of verifiers.

A vote is valid or invalid; a vote that cannot be parsed, failed, or says so itself is undecided. The rule, for `wanted`
votes of which a share of `min_share` must be valid:

- if no more than half of the wanted votes are valid or invalid, the problem is *undecided*: a few readable votes are
  not representative;
- else the share of valid votes among the decided ones counts: *valid* from `min_share` on, *invalid* below one half,
  and *undecided* in between. A problem without a valid vote is invalid, even if `min_share` is 0.

Only a valid problem passes. `parsing.verifying` parses votes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from promptcot.core.parsing.verifying import Vote
from promptcot.records import Row

Validity = Literal["valid", "invalid", "undecided"]

VALIDITIES: tuple[Validity, ...] = ("valid", "invalid", "undecided")


@dataclass(frozen=True)
class Tally:
    """Counted votes: valid and invalid ones, the answers by criterion, and the models."""

    valid: int = 0
    invalid: int = 0
    wanted: int = 0
    criteria: Mapping[str, Counter[str]] = field(default_factory=dict)
    models: tuple[str, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        keys = dict.fromkeys((*self.criteria, *other.criteria))
        criteria = {key: self.criteria.get(key, Counter()) + other.criteria.get(key, Counter()) for key in keys}
        return Tally(
            self.valid + other.valid,
            self.invalid + other.invalid,
            self.wanted + other.wanted,
            criteria,
            tuple(dict.fromkeys((*self.models, *other.models))),
        )

    @property
    def share(self) -> float | None:
        """The share of valid votes among the decided ones; None without any."""
        decided = self.valid + self.invalid
        return self.valid / decided if decided else None

    @property
    def heard(self) -> bool:
        """Whether any vote could be parsed."""
        return any(counts.total() for counts in self.criteria.values())

    def verdict(self, min_share: float) -> Validity:
        """The result of the votes."""
        share = self.share
        if share is None or 2 * (self.valid + self.invalid) <= self.wanted:
            return "undecided"
        if self.valid and share >= min_share:
            return "valid"
        return "invalid" if share < 1 / 2 else "undecided"

    def most_named(self) -> str | None:
        """The key of the criterion that most votes say is not met, the first of equals; None if there is none."""
        most = max(self.criteria, key=lambda key: self.criteria[key]["no"], default=None)
        return most if most is not None and self.criteria[most]["no"] else None

    def fields(self, verdict: Validity | None) -> Row:
        """The `validity` of a row; without a verdict if other models vote as well."""
        undecided = self.wanted - self.valid - self.invalid
        return {
            "verdict": verdict,
            "share": self.share,
            "votes": {"valid": self.valid, "invalid": self.invalid, "undecided": undecided},
            "criteria": {
                key: {word: counts[word] for word in ("yes", "no", "unclear")} for key, counts in self.criteria.items()
            },
            "models": [*self.models],
        }


def tally(votes: Sequence[Vote], keys: Sequence[str], model: str) -> Tally:
    """The votes of one model, with an entry for each criterion by its key."""
    said = Counter(vote.verdict for vote in votes)
    criteria = {key: Counter[str](vote.answers[key] for vote in votes if key in vote.answers) for key in keys}
    return Tally(said["valid"], said["invalid"], len(votes), criteria, (model,))


def tally_of(validity: Mapping[str, Any]) -> Tally:
    """The votes from the `validity` of a row, which `fields` made."""
    votes = validity["votes"]
    criteria = {key: Counter(counts) for key, counts in validity["criteria"].items()}
    return Tally(votes["valid"], votes["invalid"], sum(votes.values()), criteria, tuple(validity["models"]))
