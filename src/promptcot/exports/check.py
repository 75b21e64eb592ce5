"""Checks that the trainer's own loader reads an export back, and that every gold passes its own verifier.

Compares each row as loaded with the row in the file, and that row with its example in the format. Rows are streamed, so
memory use stays flat if the loader's does. If the trainer is not installed, `datasets`, which all trainers use, reads
Parquet files, and JSON Lines are read directly; the report says which loader was used.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot.exports.formats.format import Format, Split
from promptcot.exports.formats.loading import Loaded, by_datasets, by_lines, quietly
from promptcot.records import Row
from promptcot.rewards import score_batch
from promptcot.rewards.verdicts import gold_for
from promptcot.storage.parquet import pyarrow
from promptcot.storage.rows import read_rows

_BATCH = 1000  # golds that are scored together
_NAMED = 20  # rows and golds that are listed; all are counted
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Failure:
    """A gold that fails its own verifier: the id of its row, and the reason of the reward for the boxed gold."""

    id: str
    gold: str
    reason: str


@dataclass(slots=True)
class Checked:
    """The findings. `rows` are by split; `failures` and `different` are the first ones, `wrong` counts all rows that
    read back differently. `own` is whether the trainer's own loader read them.
    """

    by: str = ""
    own: bool = True
    rows: dict[Split, int] = field(default_factory=dict)
    golds: int = 0
    passed: int = 0
    failures: list[Failure] = field(default_factory=list)
    wrong: int = 0
    different: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all rows read back and all golds pass."""
        return not self.wrong and self.passed == self.golds

    def differs(self, what: str) -> None:
        """Record a difference."""
        self.wrong += 1
        if len(self.different) < _NAMED:
            self.different.append(what)


def check(
    format: Format, files: Mapping[Split, Sequence[Path]], *, verifier: str = "mathematics", limit: float = 5.0
) -> Checked:
    """Load the files of each split again, compare the rows, and score each boxed gold against itself."""
    found = Checked()
    with tempfile.TemporaryDirectory(prefix="promptcot-check-") as cache, quietly(Path(cache)):
        for split, paths in files.items():
            found.rows[split] = 0
            rows = _compared(format, split, paths, found)
            while batch := list(itertools.islice(rows, _BATCH)):
                _score(format, batch, found, verifier, limit)
    return found


def _compared(format: Format, split: Split, paths: Sequence[Path], found: Checked) -> Iterator[Row]:
    """The rows that match both the file and the format; others are recorded."""
    written, loaded = _file_rows(paths), _loaded(format, paths, found)
    for index, (row, file_row) in enumerate(itertools.zip_longest(loaded, written, fillvalue=_ABSENT)):
        where = f"row {index} of {split}"
        if not isinstance(file_row, dict):
            found.differs(f"{where}: {found.by} reads more rows than the files have")
            return
        if not isinstance(row, Mapping):
            found.differs(f"{where}: {found.by} does not read this row")
            return
        found.rows[split] += 1
        if why := _why_different(row, file_row) or _misfit(format, split, index, file_row):
            found.differs(f"{where}, {_name(format, file_row)}: {why}")
        else:
            yield file_row


def _file_rows(paths: Sequence[Path]) -> Iterator[Row]:
    """The rows in the files, with every column: `read_rows` omits nulls of Parquet files."""
    for path in paths:
        columns = pyarrow("parquet").read_schema(path).names if path.suffix == ".parquet" else ()
        for row in read_rows(path, may_be_empty=True):
            yield {**dict.fromkeys(columns), **row}


def _loaded(format: Format, paths: Sequence[Path], found: Checked) -> Iterator[Row]:
    """The rows from the trainer's loader, or from the best alternative. Its errors count as a difference, and end the
    rows.
    """
    loaded, found.own = _opened(format, paths, found)
    found.by = loaded.by
    try:
        yield from loaded.rows
    except Exception as error:
        found.differs(f"{loaded.by}: {type(error).__name__}: {error}")


def _opened(format: Format, paths: Sequence[Path], found: Checked) -> tuple[Loaded, bool]:
    next_best = by_datasets if format.suffix == ".parquet" else by_lines
    for number, load in enumerate((format.load, next_best)):
        try:
            return load(paths), number == 0
        except ImportError:
            continue
        except Exception as error:
            found.differs(f"{format.source.framework} cannot load the files: {type(error).__name__}: {error}")
            return Loaded((), f"{format.source.framework}'s loader"), number == 0
    return Loaded(_file_rows(paths), "promptcot itself"), False


def _why_different(loaded: Mapping[str, Any], written: Row) -> str | None:
    """How the loaded row differs from the file; a loader may return only some columns."""
    if not loaded:
        return "no column is loaded"
    wrong = sorted(name for name, value in loaded.items() if written.get(name) != value)
    return f"{', '.join(wrong)} read back with other values" if wrong else None


def _misfit(format: Format, split: Split, index: int, written: Row) -> str | None:
    """How a row differs from its format."""
    try:
        again = format.row(format.example(written), split, index)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        return f"not a row of {format.name} ({type(error).__name__}: {error})"
    wrong = sorted(name for name in {**again, **written} if again.get(name, _ABSENT) != written.get(name, _ABSENT))
    return f"{', '.join(wrong)}: not as {format.name} requires" if wrong else None


def _score(format: Format, rows: Iterable[Row], found: Checked, verifier: str, limit: float) -> None:
    """Score each boxed gold with the trainer's reward. Without a gold no reward works, and all fail."""
    golds = [(row, format.gold(row)) for row in rows]
    asked = [(row, gold) for row, gold in golds if gold is not None or format.kind == "rl"]
    boxed = [f"\\boxed{{{gold_for(verifier, gold)}}}" for _, gold in asked]
    scores = score_batch(boxed, [gold for _, gold in asked], verifier=verifier, limit=limit)
    for (row, gold), one in zip(asked, scores, strict=True):
        found.golds += 1
        found.passed += one.reason == "right"
        if one.reason != "right" and len(found.failures) < _NAMED:
            found.failures.append(Failure(_name(format, row), str(gold), one.reason))


def _name(format: Format, row: Row) -> str:
    try:
        return format.example(row).id
    except (KeyError, TypeError, IndexError, AttributeError):
        return "(no id)"
