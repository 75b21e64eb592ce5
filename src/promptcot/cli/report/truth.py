"""What `promptcot nano check` prints: the shares of sound problems by stage, and how well the others are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptcot.cli.report.layout import bounds, percent
from promptcot.cli.report.tables import table
from promptcot.core.statistics.wilson import wilson_interval
from promptcot.core.units import counted
from promptcot.nano.rationales import KINDS
from promptcot.nano.truth import SHARES, Detection, Share, Truth
from promptcot.records import Row

HOW_MARKED = (
    "how well judges and verifiers find the rows with defects: a judge marks a row by a verdict of acceptable or bad, "
    "a verifier by invalid; recall: of the rows with a defect, those marked; precision: of the marked rows, those with "
    "a defect; false alarms: of the rows without a defect, those marked or without a verdict, since they are lost; "
    "by its rating: of the rows with a defect, those where the judge's rating of it is not perfect, since the verdict "
    "may be perfect in spite of it; rating not perfect: n rows, with the share that has a defect of that rating as "
    "precision (nano/README.md explains all numbers)"
)
WRONG = "wrong rows: id, where the row stands, and what is wrong with it"
_INTERVAL = "  95 % interval"
_DISTINCT: Mapping[str, Callable[[Truth], tuple[int, int]]] = {
    "distinct texts": lambda found: (len(found.texts), found.problems),
    "distinct, numbers ignored": lambda found: (len(found.masked), found.problems),
}


def truth_lines(truths: Mapping[str, Truth]) -> Iterator[str]:
    """A table of the shares of each stage, side by side, and why problems are ill-posed."""
    found = list(truths.values())
    rows = [("", *truths), ("problems", *(f"{one.problems:,}" for one in found))]
    rows += _share_rows([one.shares() for one in found], [one.problems for one in found])
    kept = [Share(one.well_posed, found[0].well_posed) for one in found[1:]]
    if kept and "generated" in truths:
        rows.append(("well-posed ones kept", "", *map(_percent, kept)))
    for kind in KINDS:
        if any(one.kinds[kind] for one in found):
            rows.append((f"rationale {kind}", *(_percent(Share(one.kinds[kind], one.kinds.total())) for one in found)))
    rows += [(name, *(_percent(Share(*share(one))) for one in found)) for name, share in _DISTINCT.items()]
    reasons = sorted({reason for one in found for reason in one.reasons}, key=lambda reason: -found[0].reasons[reason])
    rows += [("ill-posed", *(f"{one.reasons.total():,}" for one in found))] * bool(reasons)
    rows += [(f"  {reason}", *(f"{one.reasons[reason]:,}" for one in found)) for reason in reasons]
    yield from table(rows)


def worth_lines(worth: Mapping[str, Any], run: Path) -> Iterator[str]:
    """What a run shows at its end: which problems are sound, before and after each step that sorts them out."""
    stages: Mapping[str, Mapping[str, Any]] = worth.get("stages", {})
    if not any(one["checked"] for one in stages.values()):
        return
    yield f"what is true of the problems, which the nano world's checker solves exactly (promptcot nano check {run})"
    found = list(stages.values())
    rows = [("", *stages), ("problems", *(f"{one['rows']:,}" for one in found))]
    if any(one["checked"] < one["rows"] for one in found):
        rows.append(("  of which checked", *(f"{one['checked']:,}" for one in found)))
    shares = [{key: _of_json(one.get(key)) for key in SHARES} for one in found]
    yield from table([*rows, *_share_rows(shares, [one["checked"] for one in found])], indent=2)


def _share_rows(stages: Sequence[Mapping[str, Share]], problems: Sequence[int]) -> Iterator[tuple[str, ...]]:
    """Each share with its interval; its n only where that differs from the last numbers above, of problems or of n."""
    said = tuple(problems)
    for key, name in SHARES.items():
        parts = [one[key] for one in stages]
        counts = tuple(part.whole for part in parts)
        if any(counts):
            yield (name, *map(_percent, parts))
            yield (_INTERVAL, *map(_narrow_bounds, parts))
            if counts != said:
                yield ("  n", *(f"{n:,}" for n in counts))
                said = counts


def _of_json(share: Mapping[str, Any] | None) -> Share:
    return Share(share["part"], share["n"]) if share else Share()


def ceiling_line(ceiling: Share) -> str:
    """For which share of the combinations there is a problem."""
    return (
        f"ceiling: {_percent(ceiling)} of {counted(ceiling.whole, 'combination')} of concepts and level "
        "have a problem that uses all the concepts"
    )


def judge_lines(name: str, found: Detection) -> Iterator[str]:
    """What a judge finds, as a summary and a table by defect."""
    yield f"judge {name}: {_summary(found)}"
    rows = [("defect", "n", "recall", "95 % interval", "by its rating")]
    for defect, share in _by_frequency(found.by_defect):
        rating = found.by_rating.get(defect, Share())
        rows.append((defect, f"{share.whole:,}", _percent(share), _bounds(share), _percent(rating)))
    if found.by_defect:
        yield from table(rows, indent=2)
    if found.ratings:
        head = ("rating not perfect", "n", "precision", "95 % interval")
        ratings = [
            (rating.replace("_", " "), f"{share.whole:,}", _percent(share), _bounds(share))
            for rating, share in _by_frequency(found.ratings)
        ]
        yield from table([head, *ratings], indent=2)


def finder_lines(name: str, found: Detection) -> Iterator[str]:
    """What a verifier, or all judges together, find, as a summary and a table by defect."""
    yield f"{name}: {_summary(found)}"
    rows = [(defect, f"{one.whole:,}", _percent(one), _bounds(one)) for defect, one in _by_frequency(found.by_defect)]
    if rows:
        yield from table([("defect", "n", "recall", "95 % interval"), *rows], indent=2)


def wrong_line(row: Row) -> str:
    """What is wrong with a row, and where it stands."""
    return f"{row['id']}  {row['where']}  {'; '.join(row['wrong'])}"


def _summary(found: Detection) -> str:
    shares = {"recall": found.recall, "precision": found.precision, "false alarms": found.false_alarms}
    if found.unread.whole:
        shares["replies without a readable verdict"] = found.unread
    return ", ".join(f"{name} {_percent(share)} (n = {share.whole:,})" for name, share in shares.items())


def _by_frequency(shares: Mapping[str, Share]) -> list[tuple[str, Share]]:
    return sorted(shares.items(), key=lambda item: -item[1].whole)


def _percent(share: Share) -> str:
    return percent(share.part / share.whole if share.whole else None)


def _narrow_bounds(share: Share) -> str:
    """An interval in whole percent, so that all stages have room side by side."""
    interval = wilson_interval(share.part, share.whole)
    return "n/a" if interval is None else f"{100 * interval[0]:.0f} to {100 * interval[1]:.0f}"


def _bounds(share: Share) -> str:
    return bounds(wilson_interval(share.part, share.whole))
