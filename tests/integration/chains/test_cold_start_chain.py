"""A cold start from 120 seed problems to problems by the trained generator, as a user runs it.

The embedded annotator designs about three of ten problems rightly (nano/CARD.md), and the judges drop most others.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptcot.cli import main
from promptcot.core.parsing.blocks import Unreadable, parse
from promptcot.storage.rows import read_rows

pytestmark = pytest.mark.engines

SEEDS, PROMPTS = 120, 24
TRAINING = ["schedule.epochs=14", "schedule.micro_batch=1", "schedule.warmup_steps=5", "watch.samples=0"]
SMALL = ["--set", f"seeds.limit={SEEDS}", "--set", f"generator.set={json.dumps(TRAINING)}", "--target", str(PROMPTS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cold-start")
    assert main(["run", "cold-start-nano", "--output-dir", str(made), *SMALL]) == 0
    return made


def test_from_seed_problems_to_training_rows_nothing_is_lost_unseen(folder: Path) -> None:
    stages = ("extracted", "explained", "judged-a", "judged-b", "accepted", "rows")
    counts = [sum(1 for _ in read_rows(folder / f"{name}.jsonl")) for name in stages]
    assert SEEDS >= counts[0] >= counts[1] == counts[2] == counts[3] >= counts[4] >= counts[5] >= SEEDS // 4
    for row in read_rows(folder / "rows.jsonl"):
        assert not isinstance(parse(row["completion"]), Unreadable)
        assert all(concept in row["prompt"] for concept in row["foundational_concepts"])


def test_the_trained_generator_writes_problems_and_the_untrained_base_does_not(folder: Path) -> None:
    found = json.loads((folder / "results.json").read_bytes())
    assert found["before"]["readable"] == {**found["before"]["readable"], "n": PROMPTS}
    before, after = (found[which]["readable"]["count"] for which in ("before", "after"))
    assert after >= PROMPTS // 4 > before
    problems = [row["problem"] for row in read_rows(folder / "after.jsonl")]
    assert len(problems) == after
    assert all(problems)


def test_the_same_command_again_runs_only_what_tells(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (folder / "results.json").read_bytes()
    assert main(["run", "cold-start-nano", "--output-dir", str(folder), *SMALL]) == 0
    said = capfd.readouterr().out
    assert said.count("finished before") == 11
    assert "[12/12] results: done" in said
    assert (folder / "results.json").read_bytes() == before
