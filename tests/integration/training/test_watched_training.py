"""A real training by TRL, monitored: samples do not affect it; log, plot and model folder exist at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from promptcot.storage.json import dumps
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.logfile import LogFile

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("default")]  # TRL's own, of versions to come

torch.set_num_threads(1)

LIKENESS = ("step", "loss", "grad_norm", "order", "tokens", "eval_loss")


def told(directory: Path, rows: Path, samples: int) -> TrainRecipe:
    return TrainRecipe.model_validate(
        {
            "name": "watched",
            "output_dir": str(directory),
            "model": {"path": "nano:solver"},
            "data": {"path": [str(rows)], "validation": 0.25},
            "method": {"liger": False, "lora": {"rank": 4, "alpha": 8, "dropout": 0.1}},
            "schedule": {"max_length": 64, "epochs": 2, "accumulation": 1, "learning_rate": 1e-3, "warmup_steps": 0},
            "precision": {"dtype": "float32", "gradient_checkpointing": False},
            "checkpoints": {"every": 2},
            "watch": {"log_every": 1, "evaluate_every": 2, "samples": samples, "sample_tokens": 8},
        }
    )


def watched(directory: Path, rows: Path, samples: int) -> list[dict[str, Any]]:
    """The log of a training, as far as it must be the same each time."""
    from promptcot.training.run import train

    train(told(directory, rows, samples), lambda line: None)
    lines = LogFile(directory / "log.jsonl").lines()
    return [{key: line[key] for key in LIKENESS if key in line} for line in lines]


def test_samples_do_not_change_the_training_and_all_files_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(
        b"".join(dumps({"id": f"r{n}", "prompt": f"{n} + {n} = ", "completion": str(2 * n)}) for n in range(24))
    )
    with_samples = watched(tmp_path / "with", rows, samples=3)
    without = watched(tmp_path / "without", rows, samples=0)
    assert with_samples == without
    losses = [line["loss"] for line in with_samples if "loss" in line]
    assert len(losses) >= 4
    assert len(set(losses)) > 1
    drawn = list(LogFile(tmp_path / "with" / "samples.jsonl").lines())
    assert {len([row for row in drawn if row["step"] == step]) for step in {row["step"] for row in drawn}} == {3}
    assert not (tmp_path / "without" / "samples.jsonl").exists()
    for name in ("loss.png", "loss.svg", "model/model.safetensors", "model/README.md", "model/loss.png"):
        assert (tmp_path / "with" / name).stat().st_size > 0, name
