"""The embedded models do their work: the pipeline lifts what the generator writes, and the solver solves.

The targets are those of benchmarks/nano_world.py. Here the samples are small, so that each bound lies three standard
errors of a share of that size beyond its target. The seeds are fixed: on one kind of machine the numbers are always the
same, and between kinds they differ only where the last bits of a logit decide a token.
"""

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

import pytest

from promptcot import nano
from promptcot.cli import main
from promptcot.nano.runs import truths
from promptcot.nano.truth import Truth
from promptcot.storage.rows import read_rows

COMBINATIONS = 96
PROBLEMS = 48


def margin(share: float, n: int) -> float:
    """Three standard errors of a share over n cases."""
    return 3 * sqrt(share * (1 - share) / n)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    command = ["run", "--max-candidates", str(COMBINATIONS), "--until", "verify", "--seed", "9100"]
    assert main([*command, "--output-dir", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def found(directory: Path) -> dict[str, Truth]:
    return truths(directory)


def well_posed(truth: Truth) -> float:
    assert truth.problems > 0
    return truth.well_posed / truth.problems


def test_nearly_all_that_the_generator_writes_can_be_read(found: dict[str, Truth]) -> None:
    assert found["generated"].problems / COMBINATIONS >= 0.97 - margin(0.97, COMBINATIONS)


def test_the_generator_often_fails_and_more_often_does_not(found: dict[str, Truth]) -> None:
    n = found["generated"].problems
    assert 0.60 - margin(0.60, n) <= well_posed(found["generated"]) <= 0.75 + margin(0.75, n)


def test_the_judges_lift_the_share_of_well_posed_problems(found: dict[str, Truth]) -> None:
    """At this size the target of 15 points leaves about two standard errors above no gain at all."""
    assert well_posed(found["accepted"]) > well_posed(found["generated"])


def test_the_verifier_lifts_it_further_and_keeps_most_of_them(found: dict[str, Truth]) -> None:
    accepted, verified = found["accepted"], found["verified"]
    assert well_posed(verified) > well_posed(accepted) or well_posed(accepted) == 1
    assert well_posed(verified) >= 0.95 - margin(0.95, verified.problems)
    assert verified.well_posed > accepted.well_posed / 2


def test_the_solver_solves_far_more_of_the_benchmark_than_base(tmp_path: Path) -> None:
    """The targets are 75 % and 25 %; three standard errors of their difference at this size are 27 points."""
    lines = nano.benchmark_path().read_text(encoding="utf-8").splitlines(keepends=True)
    some = tmp_path / "some.jsonl"
    some.write_text("".join(lines[:: len(lines) // PROBLEMS]), encoding="utf-8")
    right = {role: answered(role, some, tmp_path / f"{role}.jsonl") for role in ("solver", "base")}
    assert all(len(one) >= PROBLEMS for one in right.values())
    shares = {role: sum(one) / len(one) for role, one in right.items()}
    assert shares["solver"] - shares["base"] > 0.50 - 0.27


def answered(role: str, problems: Path, target: Path) -> Sequence[bool]:
    """For each problem, whether the greedy trace of a model ends with the right answer."""
    command = ["solve", "--data_path", str(problems), "--output_path", str(target), "--model_path", f"nano:{role}"]
    assert main([*command, "--n", "1", "--temperature", "0", "--max_len", "400", "--keep-going"]) == 0
    return [
        f"\\boxed{{{row['reference_solution'].rsplit('####')[-1].strip()}}}" in row["completion"]
        for row in read_rows(target)
    ]
