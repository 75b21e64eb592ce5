"""What an answer is, in a domain: the `Verifier`, and the words in which its verdicts are given.

Decides what a verifier is asked and what it may say. The verifiers that ship are in `verifiers`; how one is run, with
limits, in processes that can be killed, is decided in `grader`, and whose verifier judges a row by whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from promptcot.core.answers.extraction import Extracted

Method = Literal["exact", "symbolic", "own", "no answer", "timeout", "crash"]


@dataclass(frozen=True)
class Grade:
    """Whether the answer is right, and how that was found; None after a timeout or a crash."""

    correct: bool | None
    method: Method


@runtime_checkable
class Verifier(Protocol):
    """What an answer is, and when it is right. Plain functions of their arguments, which may be slow.

    A verifier of one's own is named by import path (docs/api.md), and runs in processes of its own, which are killed
    when a call takes too long. What it raises over an answer costs that answer.
    """

    def extract(self, reply: str, *, unboxed: bool = False) -> str | None:
        """The answer in a reply, without the thinking before it; None where it has none.

        With `unboxed`, which is what `--unboxed` asks for, an answer that is not marked as one will do.
        """
        ...

    def grade(self, gold: str, answer: str) -> bool:
        """Whether `answer` is right where `gold` is the correct one. Need not be symmetric."""
        ...

    def same(self, one: str, other: str) -> bool:
        """Whether two answers are one, for majorities and labels; symmetric, and what is one is graded alike."""
        ...

    def check_gold(self, gold: str) -> None:
        """Raises ValueError, or `promptcot.InputError`, for a gold by which no answer could be right."""
        ...


class Shipped(Verifier, Protocol):
    """A verifier that may be asked in the caller's process too, for all that takes no computing."""

    def found(self, reply: str, *, unboxed: bool) -> Extracted:
        """As `extract`, and how the answer was found. Takes time linear in the length."""
        ...

    def at_once(self, gold: str, answer: str, *, mutual: bool) -> bool | None:
        """As `grade`, or where `mutual` as `same`; None where that takes computing."""
        ...

    def gold_at_once(self, gold: str) -> bool:
        """As `check_gold`; False where that takes computing."""
        ...
