"""Stops a stage of which nothing can be used: all replies unreadable, all verdicts invalid, all traces cut off.

Decides when that is certain enough, and how many calls there may be until something could be used. What a reply is
worth is decided by its stage; calls that fail are the affair of `health`.
"""

from __future__ import annotations

from collections import Counter

from promptcot.core.remedies import advice, described, shown
from promptcot.errors import SystematicFailure
from promptcot.records import Unusable
from promptcot.storage.journal import Journal

FIRST_LOOK = 20
MOST_UNPROVEN = 40
IN_A_ROW, LEAST_SHARE = 200, 0.01


class Readability:
    """What the replies of one stage are worth so far.

    Replies that the journal knew are evidence that the model can be read, and none that it cannot: rows are read again
    in their own order, and the first of them may be the only bad ones. Where a run was stopped before, and nothing has
    changed, they are evidence enough not to ask again.
    """

    def __init__(self, stage: str, journal: Journal) -> None:
        self._stage = stage
        self._journal = journal
        self._given_up = journal.given_up
        self._calls_a_row = 1
        self._arrived = self._in_a_row = 0
        self._seen = self._usable = 0
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, Unusable] = {}

    def bound(self, calls: int) -> int:
        """How many of `calls` may be under way: at most 40 as long as nothing could be used.

        No more than 40 are made in all then, of which the first 20 decide; but a row that takes more gets them all,
        since it could not be read otherwise.
        """
        if self._usable:
            return calls
        return min(calls, MOST_UNPROVEN, max(self._calls_a_row, MOST_UNPROVEN - self._arrived))

    def asks(self, calls: int) -> None:
        """A row takes so many calls."""
        self._calls_a_row = max(self._calls_a_row, calls)

    def arrived(self) -> None:
        """The engine has answered a call; the reply is not read yet."""
        self._arrived += 1

    def saw(self, unusable: Unusable | None, asked: int, known: int) -> bool:
        """A row's replies, of which so many were `asked` for now and `known` before, were read.

        Returns whether the bound has been lifted. Raises SystematicFailure when going on would be waste.
        """
        self._seen += asked + known
        if unusable is None:
            return self._saw_usable(asked, known)
        self._reasons[unusable.reason] += asked + known
        self._examples.setdefault(unusable.reason, unusable)
        self._in_a_row += asked
        if asked and self._in_a_row >= (IN_A_ROW if self._usable else FIRST_LOOK) and self._hopeless:
            self._stop(asked=True)
        return False

    def check(self, *, changed: bool) -> None:
        """Called before a call is made; `changed` where the limit of a known one has. Raises SystematicFailure."""
        if self._given_up and not changed and not self._arrived and self._seen >= FIRST_LOOK and self._hopeless:
            self._stop(asked=False)

    def _saw_usable(self, asked: int, known: int) -> bool:
        first = not self._usable
        self._usable += asked + known
        self._in_a_row = 0
        if asked and self._given_up:
            self._given_up = self._journal.given_up = False
        return first

    @property
    def _hopeless(self) -> bool:
        return self._usable < LEAST_SHARE * self._seen

    def _stop(self, *, asked: bool) -> None:
        self._journal.given_up = True
        reasons = ", ".join(f"{shown(reason)}: {count:,}" for reason, count in self._reasons.most_common(3))
        example = self._examples[self._reasons.most_common(1)[0][0]]
        likely = advice(example)
        raise SystematicFailure(
            f"{self._stage}: {self._what(asked)} ({reasons})\n"
            f"One of them {described(example)}\n"
            f"Likely cause: {likely.cause}.\nRemedy: {likely.remedy}.\n"
            f"All replies are kept in {self._journal.directory}. Run the command again with the remedy; where that "
            "changes nothing but the server, move this folder away first, so that the same is asked again"
        )

    def _what(self, asked: bool) -> str:
        share = f"{self._usable:,} of all {self._seen:,}" if self._usable else f"none of {self._seen:,}"
        if not asked:
            return f"it was stopped before, and nothing has changed: {share} replies can be used"
        if self._usable:
            return f"stopped, since none of the last {self._in_a_row:,} replies can be used, and {share}"
        return f"stopped, since none of the first {self._in_a_row:,} replies can be used"
