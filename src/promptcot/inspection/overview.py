"""An overview of a run: the rows out of each step, and the losses by reason with some ids as examples.

The counts come from the summary, or from the files of a run that has no summary yet. Files are read only until each
reason has its examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.core import fields
from promptcot.inspection.files import RunFiles, StepFiles
from promptcot.inspection.finding import ids_in
from promptcot.storage.counts import BEYOND_TARGET
from promptcot.storage.json import loads

EXAMPLES = 3
_OTHER = "no reason given"


@dataclass(frozen=True, slots=True)
class Left:
    """Rows that `step` dropped, or that failed there, for one reason, with some of their ids."""

    step: str
    outcome: str
    reason: str
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """The rows `out` of each step, the number `came` of problems in the set with some `ids`, and the losses."""

    out: Mapping[str, int]
    came: int | None
    ids: tuple[str, ...]
    left: tuple[Left, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it as a JSON object."""
        left = [{name: getattr(one, name) for name in one.__slots__} for one in self.left]
        return {"steps": dict(self.out), "in_the_set": self.came, "ids": [*self.ids], "left_out": left}


def overview(files: RunFiles) -> Overview:
    """The overview of a run. The counts of missing files are those of the summary; there are no ids from them."""
    stages = fields.mapping((files.summary or {}).get("stages"))
    last = files.set_path or (files.last.rows if files.last else None)
    first = dict.fromkeys(ids_in(last)) if last is not None else {}
    return Overview(
        {step.name: _out(step, fields.mapping(stages.get(step.name))) for step in files.steps},
        len(first) if last is not None else None,
        tuple([*first][:EXAMPLES]),
        tuple(left for step in files.steps for left in _left(step, fields.mapping(stages.get(step.name)))),
    )


def _out(step: StepFiles, stage: Mapping[str, Any]) -> int:
    """Input rows of a step that gave output; all traces of a problem count as one."""
    out = fields.whole(stage.get("out"))
    if out is not None:
        return out
    return len(set(ids_in(step.rows))) if step.rows is not None else 0


def _left(step: StepFiles, stage: Mapping[str, Any]) -> Iterator[Left]:
    for outcome, path, key in (("dropped", step.dropped, "reason"), ("failed", step.failed, "cause")):
        known = fields.counts(stage[outcome]) if isinstance(stage.get(outcome), dict) else None
        if known is not None:
            known.pop(BEYOND_TARGET, None)
        found, seen = _examples(path, key, known) if path is not None else ({}, {})
        for reason, count in (known if known is not None else seen).items():
            yield Left(step.name, outcome, reason, count, tuple(found.get(reason, ())))


def _examples(path: Path, key: str, known: Mapping[str, int] | None) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Some ids for each reason, and the number of rows with it among those read: all rows, if nothing is `known`."""
    found: dict[str, list[str]] = {}
    seen: dict[str, int] = {}
    wanted = None if known is None else sum(min(EXAMPLES, count) for count in known.values())
    for row in _rows(path):
        reason = fields.text(row.get(key)) or _OTHER
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
