"""The graded samples of each source, in 22 bytes a sample, added one at a time and in any order.

A problem is identified by 64 bits of its id, so that a million predictions take about 25 MB whatever the length of
their ids. Decides what a run is; the other modules compute the statistics.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.errors import InputError

_UNKNOWN = -1
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Sample:
    """One graded trace.

    `correct` is None if grading timed out. `answer` is the number of the answer, or of its class, within the problem,
    and is None if the trace has none. `tokens` and `truncated` are None if unknown.
    """

    correct: bool | None
    answer: int | None
    tokens: int | None = None
    truncated: bool | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """For each answer to a problem, by its number: its class, and how many components it states (letter, value, unit).

    The answers that state most components decide whether a class is right.
    """

    classes: Sequence[int]
    stated: Sequence[int]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, one entry per sample, sorted by problem and then by run.

    `problem` counts from 0 to `len(ids)` - 1; `ids` holds the problems' 64-bit names, ascending. In `correct` and
    `truncated` 1 is yes, 0 is no, -1 is unknown; in `answer` -1 is no answer, in `tokens` -1 is unknown. `stated` is
    that of `Joined`, or 0 if answers were not joined.
    """

    ids: NDArray[np.uint64]
    problem: NDArray[np.int64]
    run: NDArray[np.int32]
    correct: NDArray[np.int8]
    answer: NDArray[np.int32]
    tokens: NDArray[np.int32]
    truncated: NDArray[np.int8]
    stated: NDArray[np.int8]

    @property
    def graded(self) -> NDArray[np.bool_]:
        """Which samples were graded right or wrong, not left undecided by a timeout."""
        return np.not_equal(self.correct, _UNKNOWN)

    def problem_means(self) -> NDArray[np.float64]:
        """The share of right samples among the graded ones of each problem, NaN without any. Shape (problems,)."""
        graded, right = self.per_problem(self.graded), self.per_problem(self.correct == 1)
        means = np.full(len(graded), np.nan)
        np.divide(right, graded, out=means, where=graded > 0)
        return means

    def per_problem(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How many of the chosen samples each problem has. Shape (problems,)."""
        return np.bincount(self.problem[chosen], minlength=len(self.ids))


class SourceTally:
    """The samples of one source (benchmark)."""

    def __init__(self, source: str = "") -> None:
        self.source = source
        self._ids = array("Q")
        self._runs, self._answers, self._tokens = array("i"), array("i"), array("i")
        self._correct, self._truncated = array("b"), array("b")
        self._joined: dict[int, Joined] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, problem_id: str, sample: Sample, run: int | None = None) -> None:
        """Add one sample. `run` is its sample index; without it, a problem's samples are numbered in order.

        Raises InputError for a negative index, class or number of tokens.
        """
        numbers = (run, sample.answer, sample.tokens)
        if any(number is not None and not 0 <= number <= _MOST for number in numbers):
            raise InputError(
                f"{self.source}, problem {problem_id}: sample index, class and tokens must be whole numbers of at "
                f"least 0; here they are {run}, {sample.answer} and {sample.tokens}"
            )
        self._ids.append(_short(problem_id))
        self._runs.append(_number(run))
        self._answers.append(_number(sample.answer))
        self._tokens.append(_number(sample.tokens))
        self._correct.append(_number(sample.correct))
        self._truncated.append(_number(sample.truncated))

    def join(self, problem_id: str, joined: Joined) -> None:
        """Sort the answers of a problem into classes."""
        self._joined[_short(problem_id)] = joined

    def table(self) -> Table:
        """The samples so far, sorted. Raises InputError if a problem has a sample index twice."""
        ids, problem = np.unique(_column(self._ids, np.uint64), return_inverse=True)
        run = _numbered(problem, _column(self._runs, np.int32))
        order = np.lexsort((run, problem))
        problem, run = problem[order], run[order]
        self._refuse_repeats(problem, run)
        answer = _column(self._answers, np.int32)[order]
        stated = self._join(ids, problem, answer)
        return Table(
            ids=ids,
            problem=problem,
            run=run,
            correct=_column(self._correct, np.int8)[order],
            answer=answer,
            tokens=_column(self._tokens, np.int32)[order],
            truncated=_column(self._truncated, np.int8)[order],
            stated=stated,
        )

    def _join(self, ids: NDArray[np.uint64], problem: NDArray[np.int64], answer: NDArray[np.int32]) -> NDArray[np.int8]:
        """Replaces answer numbers by classes, and returns how much each answer states; other problems stay."""
        stated = np.zeros(len(answer), dtype=np.int8)
        for short, joined in self._joined.items():
            place = int(np.searchsorted(ids, np.uint64(short)))
            if place < len(ids) and ids[place] == short:
                start, stop = np.searchsorted(problem, [place, place + 1])
                at = start + np.flatnonzero(answer[start:stop] >= 0)
                stated[at] = np.array(joined.stated, dtype=np.int8)[answer[at]]
                answer[at] = np.array(joined.classes, dtype=np.int32)[answer[at]]
        return stated

    def _refuse_repeats(self, problem: NDArray[np.int64], run: NDArray[np.int32]) -> None:
        repeats = int(np.sum((np.diff(problem) == 0) & (np.diff(run) == 0)))
        if repeats:
            raise InputError(
                f"{self.source}: {repeats} of {len(problem)} samples have the problem and the sample index of another "
                "sample; were two prediction files merged? Grade them separately, or number their samples differently"
            )


class Tallies:
    """A tally for each source, in the order in which the sources first appeared."""

    def __init__(self) -> None:
        self._sources: dict[str, SourceTally] = {}

    def add(self, source: str, problem_id: str, sample: Sample, run: int | None = None) -> None:
        """Add one sample, see `SourceTally.add`."""
        if source not in self._sources:
            self._sources[source] = SourceTally(source)
        self._sources[source].add(problem_id, sample, run)

    def __iter__(self) -> Iterator[SourceTally]:
        return iter(self._sources.values())

    def __len__(self) -> int:
        return len(self._sources)

    def __contains__(self, source: object) -> bool:
        return source in self._sources

    def __getitem__(self, source: str) -> SourceTally:
        return self._sources[source]


def _short(problem_id: str) -> int:
    """64 bits of an id. The probability that two of 125,000 problems share them is 4 in 10 billion."""
    return int.from_bytes(hashlib.blake2b(problem_id.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


def _number(value: int | bool | None) -> int:
    return _UNKNOWN if value is None else int(value)


def _column(values: array[int], dtype: type[Any]) -> NDArray[Any]:
    """A copy, because a view would prevent the array from growing."""
    return np.array(values, dtype=dtype)


def _numbered(problem: NDArray[np.int64], run: NDArray[np.int32]) -> NDArray[np.int32]:
    """The runs; samples without an index are numbered 0, 1, … within their problem, in order of arrival."""
    missing = np.flatnonzero(run == _UNKNOWN)
    order = missing[np.argsort(problem[missing], kind="stable")]
    _, first, counts = np.unique(problem[order], return_index=True, return_counts=True)
    numbered = run.copy()
    numbered[order] = np.arange(len(order)) - np.repeat(first, counts)
    return numbered
