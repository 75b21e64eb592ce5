"""Context parallelism: two processes that share sequences train as one process does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.even_heads import even_heads
from tests.integration.training.test_processes import (
    EVERY,
    PLAIN,
    STEPS,
    finished,
    killed_after_a_checkpoint,
    same_model,
)
from tests.integration.training.trainings import logged, write_recipe, write_rows

pytestmark = pytest.mark.engines

# 127 tokens cannot be halved
SETTINGS = {"schedule__max_length": 127, "data__validation": 0.1, "watch__samples": 2}


def test_two_processes_that_share_each_packed_sequence_learn_what_one_does(tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", 96)
    write_recipe(tmp_path / "small.toml")
    alone = {**SETTINGS, "model__path": f"'{even_heads('judge-a', tmp_path / 'start')}'"}
    finished(tmp_path, PLAIN, "one", **alone)
    two = {**alone, "parallelism__devices": 2, "parallelism__context": 2, "parallelism__zero": 2}
    killed_after_a_checkpoint(tmp_path, PLAIN, "two", "--processes", "2", **two)
    assert f"resuming from step {EVERY}" in finished(tmp_path, PLAIN, "two", "--processes", "2", **two)
    for ours, theirs in zip(logged(tmp_path / "two"), logged(tmp_path / "one"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert sum("loss" in line for line in logged(tmp_path / "two")) == STEPS
    assert same_model(tmp_path, "two", "one", tolerance=1e-4)
    drawn, whole = ((tmp_path / name / "samples.jsonl").read_bytes() for name in ("two", "one"))
    assert drawn  # at the checkpoints after the kill
    assert whole.endswith(drawn)
