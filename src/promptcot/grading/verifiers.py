r"""The shipped verifiers, and the lookup of verifiers by name.

`mathematics` compares the meaning of answers, with computer algebra if needed; `integers` accepts only whole numbers;
`exact` compares text, for domains whose answers are short words. `core.answers` parses mathematical answers, and is
used for this only from `grading`.
"""

from __future__ import annotations

from promptcot.core.answers import exact
from promptcot.core.answers.extraction import Extracted, extract
from promptcot.core.answers.normalise import is_plain, normalise
from promptcot.core.answers.words import same_text
from promptcot.core.problems import plain_integer
from promptcot.errors import InputError
from promptcot.grading import own
from promptcot.grading.protocol import Shipped, Verifier

MATHEMATICS, INTEGERS, EXACT = "mathematics", "integers", "exact"


class _Boxed:
    """The answer is in the last box."""

    def extract(self, reply: str, *, unboxed: bool = False) -> str | None:
        """The content of the last box; with `unboxed` a final line is accepted."""
        return self.found(reply, unboxed=unboxed).answer

    def found(self, reply: str, *, unboxed: bool) -> Extracted:
        """Like `extract`, with the way the answer was found."""
        return extract(reply, unboxed=unboxed)


class Mathematics(_Boxed):
    """Answers are the same when they mean the same: 1/2 and 0.5, (x-1)(x+1) and x^2-1. See `core.answers`."""

    def grade(self, gold: str, answer: str) -> bool:
        """Whether the answer matches the gold; leniency depends on how the gold is written. May never end."""
        known = self.at_once(gold, answer, mutual=False)
        return _computed(gold, answer, mutual=False) if known is None else known

    def same(self, one: str, other: str) -> bool:
        """Whether each is right with the other as the gold. May never end."""
        known = self.at_once(one, other, mutual=True)
        return _computed(one, other, mutual=True) if known is None else known

    def check_gold(self, gold: str) -> None:
        """Raises InputError for a gold that does not equal itself, and for an empty one."""
        if not (self.gold_at_once(gold) or self.grade(gold, _boxed(gold))):
            raise InputError(_unequal(gold))

    def at_once(self, gold: str, answer: str, *, mutual: bool) -> bool | None:
        """The decision, if it needs no algebra."""
        return exact.mutual(gold, answer) if mutual else exact.same(gold, answer)

    def gold_at_once(self, gold: str) -> bool:
        """Whether it equals itself without algebra. Raises InputError if nothing is left of it, as with `$$`."""
        if not normalise(gold):
            raise InputError(f"the gold answer {gold[:80]!r} is empty: give the answer, or leave the problem out")
        return bool(is_plain(gold)) or self.at_once(gold, _boxed(gold), mutual=False) is True


def _computed(gold: str, answer: str, *, mutual: bool) -> bool:
    from promptcot.grading import symbolic

    try:
        return symbolic.same(gold, answer) and (not mutual or symbolic.same(answer, gold))
    except RecursionError:
        return False


def _boxed(gold: str) -> str:
    return f"\\boxed{{{gold}}}"


def _unequal(gold: str) -> str:
    return f"the gold answer {gold[:80]!r} does not equal itself, so no answer could match: correct its notation"


class Integers(Mathematics):
    """For benchmarks of integers: exactly the same integer, however it is written (007, 7.0, x = 7, 1,234)."""

    def check_gold(self, gold: str) -> None:
        """Raises InputError for a gold that is not a whole number."""
        plain_integer(gold)

    def at_once(self, gold: str, answer: str, *, mutual: bool) -> bool | None:
        """Two answers that are not whole numbers are compared as in mathematics; both are wrong."""
        if not mutual or _is_whole(gold):
            return exact.same_integer(gold, answer)
        return exact.same_integer(answer, gold) if _is_whole(answer) else super().at_once(gold, answer, mutual=True)

    def gold_at_once(self, gold: str) -> bool:
        """True, or raises as `check_gold` does."""
        self.check_gold(gold)
        return True


def _is_whole(text: str) -> bool:
    return exact.same_integer(text, text)


class Exact(_Boxed):
    """For short words: equal except for case, white space, quotes and final punctuation (`core.answers.words`)."""

    def grade(self, gold: str, answer: str) -> bool:
        """Symmetric."""
        return same_text(gold, answer)

    def same(self, one: str, other: str) -> bool:
        """As `grade`."""
        return same_text(one, other)

    def check_gold(self, gold: str) -> None:
        """Every non-empty text is a valid gold."""

    def at_once(self, gold: str, answer: str, *, mutual: bool) -> bool | None:
        """Always decided."""
        return same_text(gold, answer)

    def gold_at_once(self, gold: str) -> bool:
        """Always."""
        return True


SHIPPED: dict[str, Shipped] = {MATHEMATICS: Mathematics(), INTEGERS: Integers(), EXACT: Exact()}
"""The verifiers that a benchmark, a domain, a recipe or an option may name; custom ones have an import path."""


def at_once(name: str, gold: str, answer: str) -> bool | None:
    """Whether the answer is right, if a shipped verifier can decide this without computing; else None."""
    return SHIPPED[name].at_once(gold, answer, mutual=False) if name in SHIPPED else None


def verifier_named(name: str) -> Verifier:
    """The verifier of that name or import path. Raises ValueError with the known names."""
    if own.is_own(name):
        return own.load(name)
    if name in SHIPPED:
        return SHIPPED[name]
    known = ", ".join(f"'{one}'" for one in SHIPPED)
    raise ValueError(f"{name!r} is not a verifier: use one of {known}, or MODULE:NAME of a custom verifier")


def checked_verifier(name: str) -> str:
    """The name, if there is such a verifier. Raises ValueError."""
    verifier_named(name)
    return name
