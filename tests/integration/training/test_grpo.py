"""A real step of TRL's GRPO with our reward, and a run that is killed and goes on."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from promptcot import rewards
from promptcot.rewards import REASONS
from tests.programs import finished, started, wait_until

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("default")]  # TRL's own, of versions to come

SCRIPT = str(Path(__file__).with_name("grpo.py"))
STEPS = 6


def logged(folder: Path, step: int) -> list[dict[str, Any]]:
    return json.loads((folder / f"checkpoint-{step}" / "trainer_state.json").read_text())["log_history"]


def test_a_step_logs_the_reasons_and_leaves_unreadable_golds_out(tmp_path: Path) -> None:
    from tests.integration.training.grpo import trainer

    one = trainer(tmp_path, 1, golds=[None] * 16, format=0.1)
    one.train()
    [line] = [line for line in one.state.log_history if "reward" in line]
    assert line["reason/gold_unreadable"] == 1
    assert line["reward"] is None or math.isnan(line["reward"])  # there is no reward to average
    two = trainer(tmp_path, 1, format=0.1)
    two.train()
    [line] = [line for line in two.state.log_history if "reward" in line]
    assert sum(line[f"reason/{reason}"] for reason in REASONS) == pytest.approx(1)
    assert line["reason/right"] > 0
    assert line["reward"] == pytest.approx(line["reason/right"] + 0.1, abs=0.11)
    rewards.graders.close()


def test_a_run_that_is_killed_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, str(tmp_path), str(STEPS)]
    with started(command) as process:
        wait_until((tmp_path / "checkpoint-2" / "trainer_state.json").is_file, process)
        process.kill()
    done = finished(command)
    assert done.returncode == 0, done.stderr
    after = int(done.stdout.split()[-1])
    assert 2 <= after <= STEPS
    steps = [line["step"] for line in logged(tmp_path, STEPS) if "reward" in line]
    assert steps == list(range(1, STEPS + 1))
