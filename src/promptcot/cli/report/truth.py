"""The text of `promptcot nano check`: the share of well-posed problems, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Iterator

from promptcot.cli.report.layout import bounds, percent
from promptcot.cli.report.tables import table
from promptcot.core.statistics.wilson import wilson_interval
from promptcot.core.units import counted
from promptcot.nano.truth import Truth


def truth_lines(name: str, found: Truth) -> Iterator[str]:
    """A table of the shares, and why problems are ill-formed."""
    shares = [
        ("well-posed", found.well_posed, found.problems),
        ("right level, of the well-posed", found.right_level, found.levels),
        ("sampled concepts used", found.concepts_used, found.concepts),
        ("answer right, of the well-posed", found.right_answers, found.answers),
        ("distinct texts", len(found.texts), found.problems),
        ("distinct, numbers ignored", len(found.masked), found.problems),
    ]
    yield f"{name}: {counted(found.problems, 'problem')}"
    rows = [_row(*share) for share in shares if found.answers or not share[0].startswith("answer")]
    yield from table([("", "share", "95 % interval", "n"), *rows], indent=2)
    for reason, count in found.reasons.most_common():
        yield f"  ill-formed, {reason}: {count:,}"


def _row(what: str, part: int, whole: int) -> tuple[str, ...]:
    share = part / whole if whole else None
    return what, percent(share), bounds(wilson_interval(part, whole)), f"{whole:,}"
