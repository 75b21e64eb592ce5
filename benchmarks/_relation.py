"""Checks the equivalence of labels: on all pairs of the tables that need no algebra, and on classes for all pairs.

`exact.mutual` is symmetric because it asks both ways. The possible error is that two equivalent answers get different
grades. Both checks look for that, one with every text as a gold, one with the gold of a family.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

from promptcot.core.answers import exact
from promptcot.core.answers.stated import stated
from promptcot.evaluation.classes import Classes
from promptcot.grading import Grader

_SHOWN = 20
_KEY = ("tables", "")


def show_at_once(texts: Sequence[str]) -> None:
    """All ordered pairs of texts, as far as they are decided without algebra.

    Each pair that is equal both ways is graded with every other text as the gold. The relation is not transitive (5 cm,
    5, 5 m), so a third gold may distinguish two such answers; their number is printed.
    """
    started = time.perf_counter()
    verdicts = [[exact.same(gold, answer) for answer in texts] for gold in texts]
    places = range(len(texts))
    decided = sum(verdict is not None for row in verdicts for verdict in row)
    pairs = [(one, two) for one in places for two in range(one) if verdicts[one][two] is verdicts[two][one] is True]
    broken = [(texts[one], texts[two]) for one, two in pairs if exact.mutual(texts[one], texts[two]) is not True]
    broken += [(texts[one], texts[two]) for one, two in pairs if exact.mutual(texts[two], texts[one]) is not True]
    apart = [
        (texts[gold], texts[one], texts[two])
        for one, two in pairs
        for gold in places
        if {verdicts[gold][one], verdicts[gold][two]} == {True, False}
    ]
    print(
        f"relation at once: {len(broken)} violations in {len(texts) ** 2:,} ordered pairs of {len(texts):,} answers, "
        f"{decided / max(1, len(texts) ** 2):.1%} decided, {len(pairs):,} the same both ways; a third text as the gold "
        f"tells {len({triple[1:] for triple in apart}):,} of these "
        f"apart; {time.perf_counter() - started:.0f} s"
    )
    for case in [*broken, *apart][:_SHOWN]:
        print("  apart:", *map(ascii, case))


def show_classes(grader: Grader, families: Sequence[Sequence[str]]) -> None:
    """The answers to each gold (first in its family), sorted into classes: those of a class are graded alike.

    A class may have been joined by answers that state less, C and 12 by (C) 12, of which a gold may tell: these are
    counted apart.
    """
    mixed: list[Sequence[str]] = []
    joined: list[Sequence[str]] = []
    classes = 0
    for texts in families:
        for wordings in _sorted(grader, [text for text in texts if text.strip()]):
            classes += 1
            most = max(len(stated(wording)) for wording in wordings)
            found = {wording: grader.grade(texts[0], wording).correct for wording in wordings}
            if len({verdict for wording, verdict in found.items() if len(stated(wording)) == most}) > 1:
                mixed.append((texts[0], *wordings))
            elif len({*found.values()}) > 1:
                joined.append((texts[0], *wordings))
    print(
        f"classes: {len(mixed)} of {classes:,} in {len(families):,} families are not graded alike by their gold; in "
        f"{len(joined)} more, what states less is graded otherwise than what it was joined to"
    )
    for name, cases in (("mixed", mixed), ("joined", joined)):
        for case in cases[:_SHOWN]:
            print(f"  {name}:", *map(ascii, case))


def _sorted(grader: Grader, texts: Sequence[str]) -> list[list[str]]:
    """The classes of these answers."""
    classes = Classes(grader)

    async def place() -> None:
        for text in texts:
            await classes.place(_KEY, text)

    asyncio.run(place())
    found: dict[int, list[str]] = defaultdict(list)
    for text, number in zip(texts, classes.of(_KEY), strict=True):
        found[number].append(text)
    return list(found.values())
