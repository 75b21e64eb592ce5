"""The data of each row during a selection (about 80 bytes, in arrays), and the grouping of rows by problem.

Rows are identified by their number. The caller keeps the texts; ids and concepts are stored as hashes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from promptcot.core.selection.choosing import Candidates, keys_of
from promptcot.core.selection.profiles import Profile

NO_REASON = 0
"""The reason number of a row that may be selected."""


@dataclass(slots=True)
class Table:
    """One entry for each row in each array, in input order. A `reason` is a number of `reasons`."""

    ids: array[int] = field(default_factory=lambda: array("Q"))
    rates: array[float] = field(default_factory=lambda: array("d"))
    n: array[int] = field(default_factory=lambda: array("I"))
    levels: array[int] = field(default_factory=lambda: array("I"))
    sizes: array[int] = field(default_factory=lambda: array("H"))
    concepts: array[int] = field(default_factory=lambda: array("Q"))
    files: array[int] = field(default_factory=lambda: array("H"))
    numbers: bytearray = field(default_factory=bytearray)
    reasons: list[str] = field(default_factory=lambda: [""])
    names: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def add(
        self, id: int, profile: Profile, reason: str | None, level: str, concepts: Sequence[int], file: int
    ) -> None:
        """Add one row."""
        self.ids.append(id)
        self.rates.append(-1.0 if profile.pass_rate is None else profile.pass_rate)
        self.n.append(profile.n)
        self.levels.append(self.names.setdefault(level, len(self.names)))
        self.sizes.append(len(concepts))
        self.concepts.extend(concepts)
        self.files.append(file)
        self.numbers.append(self.number_of(reason))

    def number_of(self, reason: str | None) -> int:
        """The number of a reason."""
        if reason is None:
            return NO_REASON
        if reason not in self.reasons:
            self.reasons.append(reason)
        return self.reasons.index(reason)

    def refuse(self, rows: NDArray[np.int64], reason: str) -> None:
        """Leave these rows out, for this reason."""
        self._numbers[rows] = self.number_of(reason)

    def reason_of(self, row: int) -> str | None:
        """Why a row is left out; None if it is not."""
        return self.reasons[self.numbers[row]] or None

    def kept(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows among these that are not left out."""
        return np.asarray(rows[self._numbers[rows] == NO_REASON])

    def rates_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Pass rates, -1 if unknown."""
        return np.frombuffer(self.rates, dtype=np.float64)[rows]

    def n_of(self, rows: NDArray[np.int64]) -> NDArray[np.uint32]:
        """The numbers of traces, 0 if unknown."""
        return np.frombuffer(self.n, dtype=np.uint32)[rows]

    def candidates(self, rows: NDArray[np.int64], seed: int) -> Candidates:
        """These rows, in input order, as the candidates of `choosing`: levels are numbered in order of name."""
        names = sorted(self.names)
        by_name = np.array([names.index(name) for name in self.names] or [0])
        sizes = np.frombuffer(self.sizes, dtype=np.uint16).astype(np.int64)
        is_taken = np.zeros(len(sizes), dtype=bool)
        is_taken[rows] = True
        concepts = np.frombuffer(self.concepts, dtype=np.uint64) if self.concepts else np.zeros(0, dtype=np.uint64)
        return Candidates(
            self.rates_of(rows),
            by_name[np.frombuffer(self.levels, dtype=np.uint32)[rows]],
            names,
            keys_of(np.frombuffer(self.ids, dtype=np.uint64)[rows], seed),
            np.concatenate(([0], np.cumsum(sizes[rows]))),
            concepts[np.repeat(is_taken, sizes)],
        )

    @property
    def _numbers(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.numbers, dtype=np.uint8)


class Problems:
    """Groups rows by problem, by their ids. One row represents a problem: the first, unless `lead` chose another."""

    def __init__(self, ids: array[int]) -> None:
        self._ids = np.frombuffer(ids, dtype=np.uint64)
        self._order = np.argsort(self._ids, kind="stable")
        ordered = self._ids[self._order]
        self._begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
        self._ends = np.concatenate((self._begins[1:], [len(ordered)]))
        self._different = ordered[self._begins]
        self._leading = self._order[self._begins]

    @property
    def leading(self) -> NDArray[np.int64]:
        """The rows that represent their problems, in input order."""
        return np.sort(self._leading)

    def several(self) -> Iterator[int]:
        """One row of each problem that has several."""
        return map(int, np.sort(self._leading[self._ends - self._begins > 1]))

    def lead(self, row: int) -> None:
        """Let this row represent its problem."""
        self._leading[self._group(row)] = row

    def rows_of(self, row: int) -> list[int]:
        """All rows of the problem of this row, in input order."""
        group = self._group(row)
        rows: list[int] = self._order[self._begins[group] : self._ends[group]].tolist()
        return rows

    def first_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each of these rows, the first row of its problem."""
        return np.asarray(self._order[self._begins[np.searchsorted(self._different, self._ids[rows])]])

    def leading_each(self) -> Iterator[int]:
        """For each row, the one that represents its problem."""
        leaders = np.empty_like(self._order)
        leaders[self._order] = np.repeat(self._leading, self._ends - self._begins)
        return map(int, leaders)

    def _group(self, row: int) -> int:
        return int(np.searchsorted(self._different, self._ids[row]))
