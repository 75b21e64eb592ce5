"""Results next to published ones: which numbers are comparable, and what is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot.cli.report.scores import result_lines
from promptcot.core.statistics import Sample, SourceTally, summarize
from promptcot.evaluation.results import Evaluated, draw, file_name


def evaluated(model: str, benchmark: str, *verdicts: bool) -> Evaluated:
    counts = SourceTally(benchmark)
    for number, verdict in enumerate(verdicts):
        counts.add(f"p{number}", Sample(correct=verdict, answer=0), 0)
    return Evaluated(model, benchmark, summarize(counts))


def test_the_published_value_stands_beside_ours() -> None:
    table = list(result_lines([evaluated("xl-zhao/PromptCoT-DS-7B", "gsm8k", True, True, False, True)]))
    assert table[0].split()[-1] == "published"
    assert "75.0" in table[1]
    assert table[1].endswith("92.8 ± 0.5")


def test_a_number_for_half_of_a_benchmark_says_so() -> None:
    one = evaluated("PromptCoT-DS-7B", "aime2025", True, False)
    assert one.printed is not None
    assert one.printed.benchmark == "aime2025-i"
    assert "49.2 ± 7.9 (on aime2025-i, a different set)" in "\n".join(result_lines([one], width=200))
    assert evaluated("PromptCoT-QwQ-32B", "aime2025", True).printed.benchmark == "aime2025"


@pytest.mark.parametrize(("model", "benchmark"), [("nano:solver", "nano"), ("PromptCoT-DS-7B", "own")])
def test_where_nothing_was_published_nothing_is_shown(model: str, benchmark: str) -> None:
    one = evaluated(model, benchmark, True, False)
    assert (one.printed, one.as_json()["published"]) == (None, None)
    assert [*result_lines([one])][-1].endswith("n/a")


def test_a_benchmark_without_any_trace_is_not_available_and_not_drawn(tmp_path: Path) -> None:
    one = evaluated("m", "own")
    assert list(result_lines([one]))[1].split() == ["own", "0", "0", "n/a", "n/a", "n/a"]
    assert draw([one], tmp_path) == []


def test_a_benchmark_becomes_the_name_of_a_file() -> None:
    assert file_name("a/b c:1") == "a-b-c-1"
