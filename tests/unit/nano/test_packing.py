"""The end of the processes that make batches of training texts."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import PATIENCE, started

ROOT = Path(__file__).parents[3]
TRAINER = """
import multiprocessing, time
from transformers import PreTrainedTokenizerFast
from nano.packing import Shape, batches

source = batches(PreTrainedTokenizerFast.from_pretrained("nano/vocabulary"), "solver", 1, Shape(2560, 448, 0.0), 3)
for _ in range(20):
    next(source)
print(len(multiprocessing.active_children()), flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_writer_outlives_its_trainer_however_it_ends(how: signal.Signals) -> None:
    command = [sys.executable, "-c", TRAINER]
    with started(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as trainer:
        assert trainer.stdout is not None
        assert trainer.stdout.readline() == "3\n"
        trainer.send_signal(how)
        trainer.communicate(timeout=PATIENCE)  # ends when nobody holds the pipe any more, and each writer does
    assert trainer.returncode == -how or how is signal.SIGINT
