"""Preferences and rewards in two real processes, killed after a complete checkpoint, and resumed."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from promptcot.nano import files
from promptcot.storage.json import dumps
from promptcot.storage.rows import read_rows
from tests.integration.training.test_dpo import pair
from tests.integration.training.test_processes import PLAIN, finished, killed_after_a_checkpoint
from tests.integration.training.trainings import logged, write_recipe

pytestmark = pytest.mark.engines

SETTINGS = {
    "dpo": {"data__path": "'pairs.jsonl'", "schedule__max_steps": 5, "schedule__epochs": 3},
    "grpo": {
        "data__path": "'problems.jsonl'",
        "method__grpo": "{generations=4, max_completion_length=96, temperature=2.0, updates=2, reward={buffer=90}}",
        "schedule__max_steps": 5,
        "schedule__learning_rate": 1e-5,
        "schedule__micro_batch": 4,
    },
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_training_in_two_processes_that_is_killed_goes_on_to_the_same_losses(tmp_path: Path, kind: str) -> None:
    write_recipe(tmp_path / "small.toml")
    (tmp_path / "pairs.jsonl").write_bytes(b"".join(dumps(pair(number)) for number in range(12)))
    rows = sorted(islice(read_rows(files.seeds_path()), 320), key=lambda row: len(row["problem"]))[:16]
    (tmp_path / "problems.jsonl").write_bytes(b"".join(map(dumps, rows)))
    two = {"parallelism__devices": 2, "schedule__accumulation": 1, "method__kind": f"'{kind}'", **SETTINGS[kind]}
    if kind == "dpo":  # what it learns does not depend on how many processes there are
        finished(tmp_path, PLAIN, "whole", **{**two, "parallelism__devices": 1, "schedule__accumulation": 2})
    else:
        finished(tmp_path, PLAIN, "whole", "--processes", "2", **two)
    killed_after_a_checkpoint(tmp_path, PLAIN, "killed", "--processes", "2", **two)
    assert "resuming from step 3" in finished(tmp_path, PLAIN, "killed", "--processes", "2", **two)
    whole, gone_on = logged(tmp_path / "whole"), logged(tmp_path / "killed")
    assert [line["step"] for line in gone_on] == [1, 2, 3, 4, 5]
    for name in ("loss", "grad_norm"):
        assert [line[name] for line in gone_on] == pytest.approx([line[name] for line in whole], abs=1e-2)
    assert [line["tokens"] for line in gone_on] == [line["tokens"] for line in whole]
