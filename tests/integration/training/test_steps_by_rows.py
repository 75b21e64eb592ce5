"""A published recipe, packed, against plain TRL with the published settings, padded: rows, losses and gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from promptcot.training.recipe import load_train
from promptcot.training.trainer import mark
from tests.integration.training.plain_trl import padded
from tests.integration.training.trainings import changes, logged, write_rows

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("default")]  # TRL's own, of versions to come

torch.set_num_threads(1)

ROWS, WINDOW, PUBLISHED = 150, 128, 64
AS_A_CPU_CAN = {"precision__dtype": "'float32'", "parallelism__zero": 0, "parallelism__offload_optimizer": False}


def test_a_packed_published_recipe_takes_the_steps_of_padded_trl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptcot.training.run import train

    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    smaller = {"schedule__max_length": WINDOW, "schedule__warmup_steps": 1}  # so that few steps change the model
    told = changes({**AS_A_CPU_CAN, **smaller, "watch__log_every": 1, "watch__samples": 0})
    paths = {"data.path": [str(write_rows(tmp_path / "rows.jsonl", ROWS))], "output_dir": str(tmp_path / "ours")}
    recipe = load_train("promptcot-ds-1.5b", [*told], {"model.path": "nano:solver", **paths})
    said: list[str] = []
    train(recipe, said.append)
    ours, (theirs, rows) = logged(tmp_path / "ours"), padded(recipe, tmp_path / "theirs")
    assert f"steps: {PUBLISHED} rows each, packed into micro-batches of at most {WINDOW} tokens" in said
    assert [len(step) for step in rows] == [PUBLISHED, PUBLISHED, ROWS - 2 * PUBLISHED] * 2
    assert [line["order"] for line in ours] == [mark(step) for step in rows]
    for key in ("loss", "grad_norm"):
        assert [line[key] for line in ours] == pytest.approx([line[key] for line in theirs], abs=1e-5, rel=0)
    assert len({round(line["loss"], 5) for line in ours}) == len(ours)
