"""The text of `promptcot clean`: removable files, their size and purpose, and the calls needed to make them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptcot.cli.report.tables import table
from promptcot.core.units import counted, size
from promptcot.pipeline.leftovers import Leftovers
from promptcot.pipeline.paid import cost_words


def lines(of: Leftovers) -> Iterator[str]:
    """The lines printed before anything is removed."""
    for link in of.links:
        yield f"{link.name}: a link to {link.resolve()}, which is not removed"
    if not of.found:
        yield f"{of.of}: nothing to remove"
        return
    yield f"{of.of}: the results ({size(of.kept)}) stay; they do not need these files:"
    rows = [("file", "size", "purpose")]
    for one in of.found:
        cost = f" ({cost_words(one.paid.cost)})" if one.paid and one.paid.calls else ""
        rows.append((one.path.name, size(one.size), f"{one.what}{cost}"))
    yield from table([*rows, ("in all", size(of.size), "")], indent=2)
    yield from _again(of)


def as_numbers(of: Leftovers) -> Mapping[str, Any]:
    """The same for --json."""
    found = [
        {
            "path": one.path,
            "bytes": one.size,
            "purpose": one.what,
            "calls": one.paid.calls if one.paid else 0,
            "cost": one.paid.cost if one.paid else None,
        }
        for one in of.found
    ]
    return {"of": of.of, "found": found, "links": of.links, "bytes": of.size, "bytes_kept": of.kept}


def _again(of: Leftovers) -> Iterator[str]:
    """What the removed files are needed for, and what it costs to make them again."""
    if not of.paid:
        yield "removing these costs no calls: no model is needed to make them again"
        return
    counts = [one.paid for one in of.paid if one.paid is not None]
    costs = [one.cost for one in counts if one.cost is not None]
    free = sum(one.cost is None and one.calls > 0 for one in counts)
    unpriced = f", not counting {free} without a price" if costs and free else ""
    money = cost_words(sum(costs) if costs else None) + unpriced
    calls = sum(one.calls for one in counts)
    yield (
        "if these are removed, the same command, a larger target or a newer parser repeats up to "
        f"{counted(calls, 'call')} "
        f"({money}); --keep-calls removes only what costs no calls"
    )
