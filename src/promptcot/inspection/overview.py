"""What a run has, in short: how many rows came out of each step, and for each fate some ids to look at.

Counts are those of the summary; of a run that has none yet, the lines of its files. Files are read only until each
reason has its examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.inspection.files import RunFiles, StepFiles
from promptcot.inspection.finding import ids_in
from promptcot.storage.counts import BEYOND_TARGET
from promptcot.storage.json import loads

EXAMPLES = 3
_OTHER = "no reason given"


@dataclass(frozen=True, slots=True)
class Left:
    """Rows that `step` left out, or that failed there, for one reason, with some of their ids."""

    step: str
    outcome: str
    reason: str
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """The rows `out` of each step, `came` through the whole run with some `ids` of them, and what was left out."""

    out: Mapping[str, int]
    came: int | None
    ids: tuple[str, ...]
    left: tuple[Left, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        left = [{name: getattr(one, name) for name in one.__slots__} for one in self.left]
        return {"steps": dict(self.out), "in_the_set": self.came, "ids": [*self.ids], "left_out": left}


def overview(files: RunFiles) -> Overview:
    """What the run has. Files that are gone count for what the summary says of them, and give no ids."""
    stages = (files.summary or {}).get("stages")
    told = stages if isinstance(stages, dict) else {}
    last = files.set_path or (files.last.rows if files.last else None)
    first = dict.fromkeys(ids_in(last)) if last is not None else {}
    return Overview(
        {step.name: _out(step, told.get(step.name)) for step in files.steps},
        len(first) if last is not None else None,
        tuple([*first][:EXAMPLES]),
        tuple(left for step in files.steps for left in _left(step, told.get(step.name))),
    )


def _out(step: StepFiles, told: Any) -> int:
    """Input rows of a step that gave output; traces of one problem are one."""
    if isinstance(told, dict) and isinstance(told.get("out"), int):
        return int(told["out"])
    return len(set(ids_in(step.rows))) if step.rows is not None else 0


def _left(step: StepFiles, told: Any) -> Iterator[Left]:
    for outcome, path, key in (("dropped", step.dropped, "reason"), ("failed", step.failed, "cause")):
        counts = told.get(outcome) if isinstance(told, dict) else None
        known = {str(name): count for name, count in counts.items()} if isinstance(counts, dict) else None
        known and known.pop(BEYOND_TARGET, None)
        found, seen = _examples(path, key, known) if path is not None else ({}, {})
        for reason, count in (known if known is not None else seen).items():
            yield Left(step.name, outcome, reason, count, tuple(found.get(reason, ())))


def _examples(path: Path, key: str, known: Mapping[str, int] | None) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Some ids of each reason, and how many rows have it among those that were read: all, where nothing is `known`."""
    found: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    wanted = None if known is None else sum(min(EXAMPLES, count) for count in known.values())
    for row in _rows(path):
        reason = str(row.get(key) or _OTHER)
        seen[reason] = seen.get(reason, 0) + 1
        if len(ids := found.setdefault(reason, [])) < EXAMPLES:
            ids.append(str(row.get("id")))
        if wanted is not None and sum(map(len, found.values())) >= wanted:
            break
    return found, seen


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as lines:
            for line in lines:
                try:
                    row = loads(line)
                except ValueError:  # torn, as in a file that is being written
                    continue
                if isinstance(row, dict):
                    yield row
    except OSError:
        return
