"""Stops a stage of which nothing can be used: all replies unreadable, all verdicts invalid, all traces cut off.

Decides when that is certain enough, and how many calls there may be until something could be used. What a reply is
worth is decided by its stage; calls that fail are the affair of `health`.
"""

from __future__ import annotations

from pathlib import Path

from promptcot.core.remedies import advice, described, reasons
from promptcot.errors import SystematicFailure
from promptcot.records import Request, Unusable, Useless
from promptcot.storage.given_up import give_up, given_up, take_back

FIRST_LOOK = 20
MOST_UNPROVEN = 40
IN_A_ROW, LEAST_SHARE = 200, 0.01


class Readability:
    """What the replies of one stage, whose journal is in a folder, are worth so far. With `keep_going` nothing is
    stopped or held back: a model is measured, and may be of no use.

    Replies that the journal knew are evidence that the model can be read, and none that it cannot: rows are read again
    in their own order, and the first of them may be the only bad ones. Where the stage was given up before, and nothing
    has changed, they are evidence enough not to ask again.
    """

    def __init__(self, stage: str, journal: Path, *, keep_going: bool = False) -> None:
        self._stage = stage
        self._journal = journal
        self._keeps_going = keep_going
        self._given_up = given_up(journal)
        self._under_way: set[str] = set()
        self._calls_a_row = 1
        self._arrived = self._in_a_row = 0
        self._seen = self._usable = 0
        self._useless = Useless()

    def bound(self, calls: int) -> int:
        """How many of `calls` may be under way: at most 40 as long as nothing could be used.

        No more than 40 are made in all then, of which the first 20 decide; but a row that takes more gets them all,
        since it could not be read otherwise.
        """
        if self._usable or self._keeps_going:
            return calls
        return min(calls, MOST_UNPROVEN, max(self._calls_a_row, MOST_UNPROVEN - self._arrived))

    def asks(self, calls: int) -> None:
        """A row takes so many calls."""
        self._calls_a_row = max(self._calls_a_row, calls)

    def begin(self, key: str, request: Request, *, changed: bool) -> None:
        """A call is to be made; `changed` where the limit of a known one has. Raises SystematicFailure.

        It is not made where the stage was given up while the same one was under way, or all that is known of it from
        then still cannot be used; but where one was made, something has changed, and replies decide.
        """
        call, before = _name(key, request), self._given_up
        unproven = not (changed or self._under_way or self._arrived or self._usable)
        if (
            before is not None
            and unproven
            and not self._keeps_going
            and (call in before.calls or self._seen >= FIRST_LOOK)
        ):
            raise SystematicFailure(
                f"{self._stage}: nothing has changed since it was stopped, so nothing is asked. It was {before.words}"
            )
        self._under_way.add(call)

    def end(self, key: str, request: Request) -> None:
        """A call that had begun has a reply, or has failed for good."""
        self._under_way.discard(_name(key, request))

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
        self._useless.add(unusable, asked + known)
        self._in_a_row += asked
        few = self._usable < LEAST_SHARE * self._seen and not self._keeps_going
        if asked and few and self._in_a_row >= (IN_A_ROW if self._usable else FIRST_LOOK):
            self._stop()
        return False

    def _saw_usable(self, asked: int, known: int) -> bool:
        first = not self._usable
        self._usable += asked + known
        self._in_a_row = 0
        if asked and self._given_up is not None:
            take_back(self._journal)
            self._given_up = None
        return first

    def _stop(self) -> None:
        """Raises SystematicFailure, and lets the next run know."""
        words = self._words()
        give_up(self._journal, words, self._under_way)
        raise SystematicFailure(f"{self._stage}: {words}")

    def _words(self) -> str:
        which = f"none of the {'last' if self._usable else 'first'} {self._in_a_row:,} replies can be used"
        share = f", and {self._usable:,} of all {self._seen:,}" if self._usable else ""
        example = self._useless.example
        assert example is not None
        likely = advice(example)
        return (
            f"stopped, since {which}{share} ({reasons(self._useless.counts)})\n"
            f"One of them {described(example)}\n"
            f"Likely cause: {likely.cause}.\nRemedy: {likely.remedy}.\n"
            f"All replies are kept in {self._journal}. Run the command again with the remedy; where that changes "
            "nothing but the server, move this folder away first, so that the same is asked again. To measure a model "
            "that may be of no use: --keep-going (a single step, eval)"
        )


def _name(key: str, request: Request) -> str:
    """A call with its limit: under another one, it is another attempt."""
    return f"{key} {request.sampling.max_tokens}"
