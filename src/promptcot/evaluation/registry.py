"""The benchmarks that are known by name: their sources, their contents, and how to verify them.

Only facts are kept here; `benchmarks` reads and checks the rows. A revision names one commit of a repository on the
Hugging Face Hub, whose files never change. The hash of the golds does not depend on the order of the rows, see
`benchmarks.hash_golds`.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from promptcot.errors import InputError
from promptcot.grading.grader import Grader
from promptcot.grading.graders import Graders
from promptcot.grading.verifiers import INTEGERS, MATHEMATICS


@dataclass(frozen=True, slots=True)
class HubFiles:
    """The location of a benchmark on the Hub. `problem` and `answer` are the names of its fields."""

    repository: str
    revision: str
    files: tuple[str, ...]
    problem: str = "problem"
    answer: str = "answer"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark.

    `sources` are the values of the field `source` in files that hold it; the first is ours. `verifier` grades its
    answers; with `integers`, every gold is a whole number and is compared exactly. `golds` is the hash of its golds,
    None if no complete file was available to compute it. `licence` is what the page of the data set declares, None if
    it declares nothing.
    """

    name: str
    title: str
    sources: tuple[str, ...]
    rows: int
    verifier: str
    licence: str | None
    golds: str | None
    hub: HubFiles | None
    note: str = ""


GSM8K = Benchmark(
    name="gsm8k",
    title="GSM8K",
    sources=("gsm8k",),
    rows=1319,
    verifier=INTEGERS,
    licence="MIT",
    golds="a844dcd9f850dc0f",
    hub=HubFiles(
        "openai/gsm8k",
        "740312add88f781978c0658806c59bc2815b9866",
        ("main/test-00000-of-00001.parquet",),
        problem="question",
    ),
)

MATH500 = Benchmark(
    name="math500",
    title="MATH-500",
    sources=("math500", "math"),
    rows=500,
    verifier=MATHEMATICS,
    licence=None,
    golds="f11f472be002b59c",
    hub=HubFiles("HuggingFaceH4/MATH-500", "6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be", ("test.jsonl",)),
    note="500 problems of the test set of MATH; that data set is under the MIT licence",
)

AIME2024 = Benchmark(
    name="aime2024",
    title="AIME 2024",
    sources=("aime2024",),
    rows=30,
    verifier=INTEGERS,
    licence=None,
    golds="e62c501dfac02613",
    hub=HubFiles(
        "HuggingFaceH4/aime_2024",
        "2fe88a2f1091d5048c0f36abc874fb997b3dd99a",
        ("data/train-00000-of-00001.parquet",),
    ),
)

_AIME2025 = ("opencompass/AIME2025", "a6ad95f611d72cf628a80b58bd0432ef6638f958")

AIME2025 = Benchmark(
    name="aime2025",
    title="AIME 2025",
    sources=("aime2025",),
    rows=30,
    verifier=INTEGERS,
    licence="MIT",
    golds="cc2ace0d98aa5cf4",
    hub=HubFiles(*_AIME2025, ("aime2025-I.jsonl", "aime2025-II.jsonl"), problem="question"),
    note="both papers, I and II; the public file for QwQ has them",
)

AIME2025_I = Benchmark(
    name="aime2025-i",
    title="AIME 2025 I",
    sources=("aime2025-i", "aime2025"),
    rows=15,
    verifier=INTEGERS,
    licence="MIT",
    golds="33db84117e6cdc10",
    hub=HubFiles(*_AIME2025, ("aime2025-I.jsonl",), problem="question"),
    note="paper I only, half of aime2025: what the public file for the DS models holds, under the source aime2025",
)

HMMT_FEB_2025 = Benchmark(
    name="hmmt_feb_2025",
    title="HMMT Feb 2025",
    sources=("hmmt_feb_2025",),
    rows=30,
    verifier=MATHEMATICS,
    licence="CC-BY-NC-SA-4.0",
    golds=None,
    hub=HubFiles(
        "MathArena/hmmt_feb_2025",
        "6fdc4277120810ff75aa22d2d5489b91f7a262a1",
        ("data/train-00000-of-00001.parquet",),
    ),
)

NANO = Benchmark(
    name="nano",
    title="nano",
    sources=("nano",),
    rows=200,
    verifier=MATHEMATICS,
    licence="MIT",
    golds="465cdcf023b69b56",
    hub=None,
    note="ships with the package; answers are whole numbers",
)

BENCHMARKS = {
    benchmark.name: benchmark for benchmark in (GSM8K, MATH500, AIME2024, AIME2025, AIME2025_I, HMMT_FEB_2025, NANO)
}
"""All known benchmarks by name."""


def benchmark_named(name: str) -> Benchmark:
    """The benchmark with this name. Raises InputError, naming the nearest known one."""
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    near = get_close_matches(name, BENCHMARKS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"no benchmark is called {name!r} and no such file exists; {hint}known names: {', '.join(BENCHMARKS)}"
    )


def with_source(source: str) -> tuple[Benchmark, ...]:
    """The benchmarks whose rows may carry this `source`, the usual one first; none for an unknown source."""
    named = [benchmark for benchmark in BENCHMARKS.values() if source in benchmark.sources]
    return tuple(sorted(named, key=lambda benchmark: benchmark.sources.index(source)))


def grader_of(graders: Graders, source: str) -> Grader:
    """The grader for the rows of a source."""
    return graders.of(verifier_of(source))


@lru_cache(maxsize=256)
def verifier_of(source: str) -> str | None:
    """The verifier of the benchmarks with this source; None if there is none, or they differ."""
    named = {benchmark.verifier for benchmark in with_source(source)}
    return named.pop() if len(named) == 1 else None
