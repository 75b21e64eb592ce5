"""Stops a stage without a usable reply: all replies unreadable, all verdicts invalid, or all traces cut off.

Decides when this is certain enough, and how many calls may be made before the first usable reply. The stage decides
whether a reply is usable; `health` handles failed calls.
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
    """Counts the usable replies of one stage, whose journal is in a folder. With `keep_going` nothing is stopped or
    held back, because a measured model may be useless.

    Usable replies from the journal count. Unusable ones do not, because rows are read again in their order, and the
    first of them may be the only bad ones. If the stage was stopped before and nothing has changed, the journal alone
    decides that no call is made.
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
        """How many of `calls` may be in flight: at most 40 until a reply could be used.

        Until then no more than 40 are made in all, and the first 20 decide. A row that needs more calls gets all of
        them, because it could not be read otherwise.
        """
        if self._usable or self._keeps_going:
            return calls
        return min(calls, MOST_UNPROVEN, max(self._calls_a_row, MOST_UNPROVEN - self._arrived))

    def asks(self, calls: int) -> None:
        """Record the number of calls that a row needs."""
        self._calls_a_row = max(self._calls_a_row, calls)

    def begin(self, key: str, request: Request, *, changed: bool) -> None:
        """A call is about to be made; `changed` if a known call has a new limit. Raises SystematicFailure.

        The call is not made if the stage was stopped while the same call was in flight, or if all its known replies
        still cannot be used. Once another call was made, something has changed, and the replies decide.
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
                f"{self._stage}: nothing has changed since the stage was stopped, so no call was made. It was "
                f"{before.words}"
            )
        self._under_way.add(call)

    def end(self, key: str, request: Request) -> None:
        """A call has a reply, or has failed for good."""
        self._under_way.discard(_name(key, request))

    def arrived(self) -> None:
        """The engine has answered a call; the reply is not parsed yet."""
        self._arrived += 1

    def saw(self, unusable: Unusable | None, asked: int, known: int) -> bool:
        """Count the replies of a row, of which `asked` are new and `known` are from the journal.

        Returns whether the bound has been lifted. Raises SystematicFailure when no reply can be used.
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
        """Raises SystematicFailure, and records it for the next run."""
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
            f"stopped because {which}{share} ({reasons(self._useless.counts)})\n"
            f"One of them {described(example)}\n"
            f"Likely cause: {likely.cause}.\nRemedy: {likely.remedy}.\n"
            f"All replies are kept in {self._journal}. Apply the remedy and run the command again; if only the server "
            "changes, move this folder away first, so that the same calls are made again. To measure a model that may "
            "be useless, use --keep-going (a single step, eval)"
        )


def _name(key: str, request: Request) -> str:
    """The name of a call with its token limit: another limit makes it another attempt."""
    return f"{key} {request.sampling.max_tokens}"
