"""The cost of a combination: our sampler against a dense one, and a million concepts against 20,000.

    python benchmarks/sampler.py [--without-million] [--smallest]

Seeds are 20,000 problems of five concepts drawn from 20,000 by a Zipf law (exponent 0.8); vectors have 1,024 dimensions
and are once isotropic, once of mean cosine 0.3. The dense side computes the cosine to all concepts, a softmax in log
space, and a choice. A million concepts have a million seed problems (the same number of seeds for a concept) and lie in
a memory-mapped float16 file. Both sides use one thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from _options import Options, verdict
from numpy.typing import NDArray

from promptcot.core.sampling.concepts import ConceptTable
from promptcot.core.sampling.sampler import BLOCK, Sampler

DIMENSIONS, SIZE, TEMPERATURE = 1024, 5, 0.2
FASTER, GROWTH = 100, 2.0


def seeds(concepts: int, rng: np.random.Generator) -> Iterator[list[str]]:
    """As many seed problems as concepts, and every concept at least once."""
    weight = np.cumsum(np.arange(1, concepts + 1) ** -0.8)
    drawn = np.searchsorted(weight / weight[-1], rng.random((concepts, SIZE)))
    for row in drawn:
        yield [f"c{concept}" for concept in row.tolist()]
    for concept in np.setdiff1d(np.arange(concepts), drawn).tolist():
        yield [f"c{concept}"]


def vectors(concepts: int, mean_cosine: float, path: Path, rng: np.random.Generator) -> NDArray[np.float16]:
    """Unit vectors in a memory-mapped float16 file, written piece by piece."""
    matrix = np.memmap(path, np.float16, "w+", shape=(concepts, DIMENSIONS))
    common = rng.standard_normal(DIMENSIONS, dtype=np.float32)
    common /= np.linalg.norm(common)
    for start in range(0, concepts, 10_000):
        part = rng.standard_normal((min(10_000, concepts - start), DIMENSIONS), dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
        matrix[start : start + len(part)] = np.sqrt(1 - mean_cosine) * part + np.sqrt(mean_cosine) * common
    matrix.flush()
    return np.memmap(path, np.float16, "r", shape=(concepts, DIMENSIONS))


class Dense:
    """The straightforward implementation: computes every weight in every step."""

    def __init__(self, table: ConceptTable, matrix: NDArray[np.float16]) -> None:
        self.table = table
        single = matrix.astype(np.float32)
        self.raw, self.unit = single, single / np.linalg.norm(single, axis=1, keepdims=True)
        self.frequency = table.frequency / table.frequency.sum()

    def draw(self, rng: np.random.Generator) -> list[int]:
        chosen = [int(rng.choice(len(self.table), p=self.frequency))]
        counts = np.zeros(len(self.table))
        while len(chosen) < SIZE:
            part = slice(self.table.indptr[chosen[-1]], self.table.indptr[chosen[-1] + 1])
            counts[self.table.indices[part]] += self.table.counts[part]
            mean = self.raw[chosen].mean(axis=0)
            log_weight = (counts + self.unit @ (mean / np.linalg.norm(mean))) / TEMPERATURE
            log_weight[chosen] = -np.inf
            weight = np.exp(log_weight - log_weight.max())
            chosen.append(int(rng.choice(len(self.table), p=weight / weight.sum())))
        return chosen


def milliseconds(sampler: Sampler, blocks: int, first: int) -> float:
    begun = time.perf_counter()
    for block in range(first, first + blocks):
        sampler.block(1, block)
    return (time.perf_counter() - begun) / blocks / BLOCK * 1000


def against_dense(name: str, table: ConceptTable, matrix: NDArray[np.float16]) -> bool:
    dense, sampler, rng = Dense(table, matrix), Sampler(table, matrix, size=SIZE), np.random.default_rng(5)
    sampler.block(1, 0)
    ratios, ours = [], []
    for turn in range(5):
        begun = time.perf_counter()
        for _ in range(10):
            dense.draw(rng)
        slow = (time.perf_counter() - begun) / 10 * 1000
        ours.append(milliseconds(sampler, 2, 1 + 2 * turn))
        ratios.append(slow / ours[-1])
    ratio, mine = statistics.median(ratios), statistics.median(ours)
    print(f"{name:<22} dense {mine * ratio:8.2f} ms, ours {mine:.4f} ms a combination; ratio {ratio:,.0f}", end="  ")
    print(f"(target ≥ {FASTER}) {'PASS' if ratio >= FASTER else 'MISS'}")
    return ratio >= FASTER


def against_a_million(small: Sampler, folder: Path, concepts: int = 1_000_000) -> bool:
    rng = np.random.default_rng(2)
    begun = time.perf_counter()
    table = ConceptTable.from_rows(seeds(concepts, rng))
    large = Sampler(table, vectors(concepts, 0.0, folder / "million.f16", rng), size=SIZE)
    print(f"{concepts:,} concepts: table, vectors and sampler made in {time.perf_counter() - begun:.0f} s")
    large.block(1, 0)
    pairs = [(milliseconds(large, 4, 1 + 4 * turn), milliseconds(small, 4, 100 + 4 * turn)) for turn in range(7)]
    ratio = statistics.median(one / other for one, other in pairs)
    million, thousands = (statistics.median(side) for side in zip(*pairs, strict=True))
    print(f"{concepts:,} against {len(small.table):,}: {million:.4f} ms, {thousands:.4f} ms a combination", end="; ")
    print(f"ratio {ratio:.2f}", end="  ")
    print(f"(target ≤ {GROWTH}) {'PASS' if ratio <= GROWTH else 'MISS'}")
    return ratio <= GROWTH


def main() -> int:
    parser = Options(__doc__, concepts=500, many=1000)
    parser.add_argument("--concepts", type=int, default=20_000)
    parser.add_argument("--many", type=int, default=1_000_000, help="how many concepts stand for a million")
    parser.add_argument("--without-million", action="store_true")
    chosen = parser.parse_args()
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = ConceptTable.from_rows(seeds(chosen.concepts, rng))
        isotropic = vectors(chosen.concepts, 0.0, folder / "isotropic.f16", rng)
        good = against_dense("isotropic", table, isotropic)
        common = vectors(chosen.concepts, 0.3, folder / "common.f16", rng)
        good &= against_dense("mean cosine 0.3", table, common)
        if not chosen.without_million:
            good &= against_a_million(Sampler(table, isotropic, size=SIZE), folder, chosen.many)
    return verdict(chosen, good)


if __name__ == "__main__":
    sys.exit(main())
