"""The protocol `Verifier`, which defines answers in a domain, and its result type.

`verifiers` has the shipped verifiers. `grader` runs a verifier with limits, in processes that can be killed. The caller
chooses the verifier of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from promptcot.core.answers.extraction import Extracted

Method = Literal["exact", "symbolic", "own", "no answer", "timeout", "crash"]


@dataclass(frozen=True)
class Grade:
    """Whether the answer is right (None after a timeout or a crash), and the method by which this was decided."""

    correct: bool | None
    method: Method


@runtime_checkable
class Verifier(Protocol):
    """Defines what an answer is and when it is right. Its functions depend only on their arguments, and may be slow.

    A custom verifier is named by its import path (docs/api.md), and runs in separate processes, which are killed when a
    call takes too long. An exception affects only the answer of that call.
    """

    def extract(self, reply: str, *, unboxed: bool = False) -> str | None:
        """The answer in a reply, which comes without its thinking; None if there is none.

        With `unboxed` (option `--unboxed`), an answer that is not marked as one is accepted.
        """
        ...

    def grade(self, gold: str, answer: str) -> bool:
        """Whether `answer` is right if `gold` is the correct answer. Need not be symmetric."""
        ...

    def same(self, one: str, other: str) -> bool:
        """Whether two answers are the same, for majorities and labels. Symmetric; equal answers get the same grade."""
        ...

    def check_gold(self, gold: str) -> None:
        """Raises ValueError, or `promptcot.InputError`, for a gold that no answer could match."""
        ...


class Shipped(Verifier, Protocol):
    """A verifier with functions for the caller's process, which decide everything that needs no computing."""

    def found(self, reply: str, *, unboxed: bool) -> Extracted:
        """Like `extract`, with the way the answer was found. Takes time linear in the length."""
        ...

    def at_once(self, gold: str, answer: str, *, mutual: bool) -> bool | None:
        """Like `grade`, or with `mutual` like `same`; None if this needs computing."""
        ...

    def gold_at_once(self, gold: str) -> bool:
        """Like `check_gold`; False if this needs computing."""
        ...
