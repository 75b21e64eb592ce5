"""The summary of the samples of one source, as plain numbers.

Rules: a sample whose grading timed out is neither right nor wrong, so accuracies ignore it, but it is
counted. Samples without an answer, and truncated ones, are wrong unless they were graded right. `notes` reports unequal
numbers of samples per problem, and problems left out of a statistic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from promptcot.core.statistics.at_k import AtK, majority_at_k, pass_at_k
from promptcot.core.statistics.estimates import Estimate, Runs, estimate, run_accuracies
from promptcot.core.statistics.sample_counts import SourceTally, Table

_SHARE = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `n`; the value is None, not 0, if n is 0."""

    count: int
    n: int

    @property
    def value(self) -> float | None:
        return self.count / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class Summary:
    """The statistics of one source. `samples_per_problem` maps a number of samples to how many problems have it."""

    source: str
    problems: int
    samples: int
    samples_per_problem: dict[int, int]
    accuracy: Estimate
    runs: Runs
    pass_at: tuple[AtK, ...]
    majority_at: tuple[AtK, ...]
    no_answer: Share
    truncated: Share
    timeouts: Share
    mean_tokens: float | None
    median_tokens: float | None
    tokens_known: int
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values for a JSON file; unknown values are null."""
        shares = {"no_answer": self.no_answer, "truncated": self.truncated, "timeouts": self.timeouts}
        valued = {name: {**asdict(share), "value": share.value} for name, share in shares.items()}
        counts = {str(samples): problems for samples, problems in self.samples_per_problem.items()}
        return {**asdict(self), **valued, "samples_per_problem": counts}


def summarize(tally: SourceTally, ks: Sequence[int] | None = None, rng: np.random.Generator | None = None) -> Summary:
    """All statistics of a source; `ks` are the k of pass@k and majority@k, by default `default_ks`.

    `rng` is needed only for majority@k with more than 512 samples a problem. Raises InputError for repeated samples,
    ValueError for a k below 1.
    """
    table = tally.table()
    graded = table.per_problem(table.graded)
    ks = default_ks(int(graded.max(initial=0))) if ks is None else ks
    runs = run_accuracies(table.run, table.correct)
    known_tokens = table.tokens[table.tokens >= 0]
    return Summary(
        source=tally.source,
        problems=len(table.ids),
        samples=len(tally),
        samples_per_problem=_histogram(table.per_problem(np.ones(len(tally), dtype=np.bool_))),
        accuracy=estimate(table.problem_means(), bounds=_SHARE),
        runs=runs,
        pass_at=tuple(_all_pass(table, graded, ks)),
        majority_at=tuple(_all_majority(table, graded, ks, rng)),
        no_answer=Share(int(np.sum(table.answer < 0)), len(tally)),
        truncated=Share(int(np.sum(table.truncated == 1)), int(np.sum(table.truncated >= 0))),
        timeouts=Share(int(np.sum(~table.graded)), len(tally)),
        mean_tokens=float(known_tokens.mean()) if len(known_tokens) else None,
        median_tokens=float(np.median(known_tokens)) if len(known_tokens) else None,
        tokens_known=len(known_tokens),
        notes=tuple(_notes(table, graded)),
    )


def default_ks(n: int) -> list[int]:
    """1, 2, 4, 8, … and n itself."""
    powers = [1 << exponent for exponent in range(n.bit_length())]
    return sorted({*powers, n}) if n else []


def _histogram(counts: NDArray[np.int64]) -> dict[int, int]:
    sizes, problems = np.unique(counts, return_counts=True)
    return {int(size): int(count) for size, count in zip(sizes, problems, strict=True)}


def _notes(table: Table, graded: NDArray[np.int64]) -> Iterator[str]:
    counts = _histogram(table.per_problem(np.ones(len(table.problem), dtype=np.bool_)))
    if len(counts) > 1:
        listed = ", ".join(f"{problems} with {samples}" for samples, problems in counts.items())
        yield f"unequal numbers of samples: problems {listed}"
    if undecided := int(np.sum(graded == 0)):
        yield f"{undecided} of {len(graded)} problems have no graded sample, and are left out of the accuracy"
    if timeouts := int(np.sum(~table.graded)):
        yield f"{timeouts} of {len(table.problem)} samples timed out in grading: neither right nor wrong"


def _all_pass(table: Table, graded: NDArray[np.int64], ks: Sequence[int]) -> Iterator[AtK]:
    right = table.per_problem(table.correct == 1)
    pairs, place = np.unique(np.stack([graded, right], axis=1), axis=0, return_inverse=True)
    kinds = [(int(n), int(c)) for n, c in pairs]
    for k in ks:
        yield _at_k(k, [pass_at_k(n, c, k) for n, c in kinds], place.reshape(-1), graded)


def _all_majority(
    table: Table, graded: NDArray[np.int64], ks: Sequence[int], rng: np.random.Generator | None
) -> Iterator[AtK]:
    kinds: dict[_Votes, int] = {}
    place = np.array([kinds.setdefault(votes, len(kinds)) for votes in _votes(table)], dtype=np.int64)
    for k in ks:
        yield _at_k(k, [majority_at_k(*votes, k, rng) for votes in kinds], place, graded)


_Votes = tuple[tuple[int, ...], tuple[int, ...], int]


def _votes(table: Table) -> Iterator[_Votes]:
    """For each problem, the sizes of its right and wrong classes, and the number of its samples without an answer."""
    ends = np.searchsorted(table.problem, np.arange(len(table.ids) + 1))
    columns = table.answer, table.correct, table.stated
    for start, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        yield _classes(*(column[start:stop].tolist() for column in columns))


def _classes(answers: list[int], correct: list[int], stated: list[int]) -> _Votes:
    blank = 0
    graded: dict[int, list[tuple[int, int]]] = {}
    for answer, verdict, much in zip(answers, correct, stated, strict=True):
        if verdict < 0:
            continue
        if answer < 0:
            blank += 1
        else:
            graded.setdefault(answer, []).append((much, verdict))
    right = sorted(len(samples) for samples in graded.values() if _is_right(samples))
    wrong = sorted(len(samples) for samples in graded.values() if not _is_right(samples))
    return tuple(right), tuple(wrong), blank


def _is_right(samples: Sequence[tuple[int, int]]) -> bool:
    """Whether a class is right: whether most of its samples with the most complete answers are.

    `samples` has how many components each states, and its verdict. In the class {C, (C) 12, 12}, (C) 12 decides.
    """
    most = max(much for much, _ in samples)
    verdicts = [verdict for much, verdict in samples if much == most]
    return 2 * sum(verdicts) > len(verdicts)


def _at_k(k: int, of_kind: list[float | None], place: NDArray[np.int64], graded: NDArray[np.int64]) -> AtK:
    """Averages one value per kind of problem over all problems; `place` has the kind of each."""
    values = np.array([np.nan if value is None else value for value in of_kind])
    left_out = int(np.sum(graded < k))
    result = estimate(values[place] if len(place) else np.array([]), bounds=_SHARE)
    return AtK(k, result, left_out, _reason(k, left_out, graded) if left_out else None)


def _reason(k: int, left_out: int, graded: NDArray[np.int64]) -> str:
    if left_out == len(graded):
        return f"k = {k}, but no problem has more than {int(graded.max())} graded samples"
    return f"{left_out} of {len(graded)} problems have fewer than {k} graded samples, and are left out"
