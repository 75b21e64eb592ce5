"""What the steps of a run are worth: what the checker finds true of the problems before and after each of them.

Of a large file every n-th row is checked, so that the end of a long run stays short; the numbers of rows and of
checked rows stand beside the shares. `truth` and `findings` do the counting, `runs` has the full report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from promptcot.nano.files import is_world
from promptcot.nano.findings import finding, of_world
from promptcot.nano.runs import STAGES
from promptcot.nano.truth import Truth
from promptcot.records import Row
from promptcot.storage.json import loads

MOST = 4000
"""The most rows of a file that are checked; at least half as many are, with intervals of up to 4.4 points."""
NAMED = 20
"""The most wrong rows of the result that are named."""


def worth(prompts: object, files: Mapping[str, Path], result: Path) -> dict[str, Any] | None:
    """What is true of the rows of each stage, with some wrong rows of the `result`, as plain values.

    `files` has the rows of the steps by name. None if the problems of the run are not of the nano world: another domain
    has the `prompts`, or the concepts are others.
    """
    if not isinstance(prompts, str) or not is_world(prompts):
        return None
    if "sample" not in files or not of_world(_some(files["sample"], 1)):
        return None
    stages = {name: _stage(files[step]) for name, step in STAGES.items() if step in files}
    return {"stages": stages, "wrong": list(islice(_wrong(result), NAMED))} if stages else None


def _stage(file: Path) -> dict[str, Any]:
    """The shares of a file of rows."""
    found, rows = Truth(), _count(file)
    for row in _problems(file, rows):
        found.add(row)
    return found.as_json(rows)


def _wrong(file: Path) -> Iterator[Row]:
    """The wrong ones among the rows that are checked, each problem once."""
    last = None
    for row in _problems(file, _count(file)):
        if row.get("id") != last and (wrong := list(finding(row).wrong())):
            last = row.get("id")
            yield {"id": str(row.get("id")), "problem": row["problem"], "wrong": wrong}


def _problems(file: Path, rows: int) -> Iterator[Row]:
    """The rows to check; a step of the user's own may have rows without a problem."""
    return (row for row in _some(file, max(1, -(-rows // MOST))) if isinstance(row.get("problem"), str))


def _count(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _some(file: Path, step: int) -> Iterator[Row]:
    """Every n-th row; the lines between are not parsed."""
    with file.open("rb") as lines:
        for line in islice(lines, 0, None, step):
            yield loads(line)
