"""The step `decontaminate`: drops problems that are in a benchmark, and records the benchmark's problem and the rule.

Decides the outcome of a row. `core.overlap.contamination` compares the texts, and `evaluation.references` chooses the
benchmarks. If rows carry vectors (`stages.embed`), meanings are compared too, and a model may make the final decision
(`stages.confirm`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from promptcot.core.overlap.contamination import Contamination, Hit, common_run, words_of
from promptcot.core.problems import NO_TEXT, problem_or_nothing
from promptcot.core.remedies import shown
from promptcot.engines.machine import cores
from promptcot.errors import InputError, UsageError
from promptcot.evaluation.references import References
from promptcot.records import Drop, Item, Row
from promptcot.stages.beside import Work, ahead
from promptcot.stages.embed import vector_of, without_vector

REASON = "benchmark problem"
MEANING = "meaning"
"""The name of the rule that compares vectors."""
SUSPECTED = "suspected"
"""The field of a row that `confirm` has to decide: the hit, and the benchmark's problem."""
NEAR = 0.9
_SHOWN = 200
_MANY = 5_000
"""With more rows than this, starting other processes pays off."""
_AT_ONCE = 512
_MOST_PROCESSES = 4


class Compared(NamedTuple):
    """A compared problem: whether it has a text at all, and its hit among the references."""

    has_text: bool
    hit: Hit | None


class Decontaminate:
    """Drops rows whose problem is one of the `references`, or contains a large part of one.

    With `mask_numbers`, a problem that differs from a reference only in numbers is dropped too. A row without a text is
    dropped as well, and counted.

    With `semantic`, a row whose vector has at least this cosine with one of `vectors` is dropped as well: array
    (references, dimensions), unit vectors, in the order of the references. With `confirm` such a row is passed on as
    `suspected`.
    """

    name = "decontaminate"

    def __init__(
        self,
        references: References,
        mask_numbers: bool = True,
        semantic: float | None = None,
        vectors: NDArray[np.floating[Any]] | None = None,
        *,
        confirm: bool = False,
    ) -> None:
        """Raises UsageError if meanings are to be compared and there is not one vector for each reference."""
        if semantic is not None and (vectors is None or len(vectors) != len(references.problems)):
            raise UsageError("decontaminate: comparing meanings needs a vector of each problem of the benchmarks")
        self._references = references
        self._mask_numbers = mask_numbers
        self._compare = _comparer(references, mask_numbers)
        self._known: dict[str, Compared] = {}
        self._near = None if vectors is None or semantic is None else _Nearest(vectors, semantic)
        self._confirm = confirm
        self._benchmarks: Counter[str] = Counter()
        self._rules: Counter[str] = Counter()
        self._without_problem = self._suspected = 0

    def apply(self, row: Row) -> Sequence[Row] | Drop:
        """The row, or a drop that shows the benchmark's problem and the shared text.

        Raises InputError for a vector with another number of dimensions than those of the references.
        """
        vector, row = vector_of(row), without_vector(row)
        problem = problem_or_nothing(row)
        compared = self._known.pop(problem, None) or self._compare(problem)
        if not compared.has_text:
            self._without_problem += 1
            return Drop(NO_TEXT)
        if compared.hit is not None:
            return self._left_out(compared.hit)
        hit = None if self._near is None or vector is None else self._in_meaning(self._near.to(vector), problem)
        if hit is None:
            return [row]
        if not self._confirm:
            return self._left_out(hit)
        self._suspected += 1
        return [{**row, SUSPECTED: {"contamination": told(hit), "problem": hit.reference.problem}}]

    def looked_up(self, items: Iterable[Item]) -> Iterator[Item]:
        """The same items, to be applied in this order. Many are compared ahead of time, in child processes."""
        items = iter(items)
        yield from islice(items, _MANY)
        work = Work(_comparer_of_many, (self._references, self._mask_numbers))
        chunks = ((chunk, [problem_or_nothing(item.row) for item in chunk]) for chunk in _chunks(items))
        for chunk, results in ahead(chunks, work, min(cores(), _MOST_PROCESSES)):
            self._known |= zip((problem_or_nothing(item.row) for item in chunk), results, strict=True)
            yield from chunk
            self._known.clear()

    def _in_meaning(self, found: tuple[int, float] | None, problem: str) -> Hit | None:
        if found is None:
            return None
        reference = self._references.problems[found[0]]
        return Hit(reference, MEANING, found[1], common_run(words_of(problem), words_of(reference.problem)))

    def _left_out(self, hit: Hit) -> Drop:
        self._benchmarks[hit.reference.benchmark] += 1
        self._rules[hit.rule] += 1
        return Drop(REASON, details={"contamination": told(hit)})

    def finish(self) -> Sequence[Row]:
        """No rows: nothing is held back."""
        return ()

    def summary(self) -> Mapping[str, Any]:
        """The step's part of the run's summary."""
        return {
            "contamination": {
                **self._references.summary(),
                "mask_numbers": self._mask_numbers,
                "found": dict(self._benchmarks),
                "rules": dict(self._rules),
                "without_problem": self._without_problem,
                **({"suspected": self._suspected} if self._confirm else {}),
            }
        }


def _comparer(references: References, mask_numbers: bool) -> Callable[[str], Compared]:
    index = Contamination(references.problems, mask_numbers, references.phrases)

    def compare(problem: str) -> Compared:
        words = words_of(problem)
        return Compared(bool(words), index.hit(problem, words) if words else None)

    return compare


def _comparer_of_many(references: References, mask_numbers: bool) -> Callable[[Sequence[str]], list[Compared]]:
    compare = _comparer(references, mask_numbers)
    return lambda problems: [compare(problem) for problem in problems]


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    while chunk := [*islice(items, _AT_ONCE)]:
        yield chunk


def told(hit: Hit) -> dict[str, Any]:
    """A hit as a field of the dropped row."""
    reference = hit.reference
    return {
        "benchmark": reference.benchmark,
        "row": reference.row,
        "id": reference.id,
        "problem": shown(reference.problem, _SHOWN),
        "rule": hit.rule,
        "share": round(hit.share, 3),
        "overlap": shown(hit.overlap, _SHOWN),
    }


class _Nearest:
    """Finds the nearest vector by comparing with each one; benchmarks have only thousands of problems."""

    def __init__(self, vectors: NDArray[np.floating[Any]], least: float) -> None:
        self._vectors = np.asarray(vectors, dtype=np.float32)
        self._least = least

    def to(self, vector: NDArray[np.floating[Any]]) -> tuple[int, float] | None:
        """The number of the nearest vector and its cosine; None if it is not near enough. Raises InputError."""
        if vector.shape != self._vectors.shape[1:]:
            raise InputError(
                f"a problem's vector has {len(vector)} dimensions, but those of the benchmarks have "
                f"{self._vectors.shape[1]}: they come from different models"
            )
        cosines = self._vectors @ vector.astype(np.float32)
        best = int(np.argmax(cosines))
        return (best, min(1.0, float(cosines[best]))) if cosines[best] >= self._least else None
