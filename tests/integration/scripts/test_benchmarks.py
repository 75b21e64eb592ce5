"""Every benchmark runs at its smallest size, where its measurements mean nothing and are not checked."""

from __future__ import annotations

import pytest

from tests.integration.scripts.finding import ROOT, runs_through, scripts

ENGINES = {"gpu", "ray_runner", "train_best", "train_methods", "train_published", "vllm_throughput"}
BENCHMARKS = [
    pytest.param(name, marks=[pytest.mark.engines] if name in ENGINES else [], id=name)
    for name in scripts("benchmarks")
]


def test_every_file_of_the_benchmarks_is_run_or_a_part_of_others() -> None:
    files = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert files - set(scripts("benchmarks")) == {
        "_copies",
        "_gpu",
        "_defects",
        "_mock",
        "_nano",
        "_options",
        "_placed",
        "_planted",
        "_relation",
        "_shapes",
        "_spellings",
    }
    assert set(scripts("benchmarks")) >= ENGINES


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_through_at_its_smallest_size(name: str) -> None:
    runs_through(f"benchmarks/{name}.py", "--smallest")
