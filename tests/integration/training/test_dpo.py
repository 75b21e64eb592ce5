"""Preference optimisation: against plain TRL on the same tokens, with an interruption, and with unusable pairs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from promptcot.errors import InputError
from promptcot.storage.json import dumps, loads
from promptcot.training.recipe import load_train
from tests.integration.training.trainings import changes, logged, write_recipe

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("default")]  # TRL's own, of versions to come

torch.set_num_threads(1)

PAIRS, STEPS = 12, 4

Train = Callable[..., list[str]]


def pair(number: int) -> dict[str, Any]:
    one, other = 3 * number + 1, 7 * (number % 5) + 2
    right = " = ".join(str(one + other) for _ in range(1 + number % 3))
    return {"id": f"p{number}", "prompt": f"{one} + {other}\n", "chosen": right, "rejected": f"{one + other + 1}"}


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Trains into `tmp_path/NAME` with changed settings, and returns what was said."""
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    rows, recipe = tmp_path / "pairs.jsonl", write_recipe(tmp_path / "small.toml")
    rows.write_bytes(b"".join(dumps(pair(number)) for number in range(PAIRS)))

    def run(name: str, **settings: Any) -> list[str]:
        from promptcot.training.run import train

        given = {"data.path": str(rows), "output_dir": str(tmp_path / name), "method.kind": "dpo"}
        usual = {"schedule__micro_batch": 2, "schedule__accumulation": 1, "schedule__max_steps": STEPS}
        said: list[str] = []
        train(load_train(str(recipe), changes({**usual, **settings}), given), said.append)
        return said

    return run


def plain(folder: Path) -> list[dict[str, Any]]:
    """The log of TRL's own trainer on the same pairs, in the same order; it encodes them itself."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    from promptcot.nano import files
    from promptcot.training.data.packing import order

    solver = files.path("solver")
    settings = DPOConfig(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=2,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        weight_decay=0.01,
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        train_sampling_strategy="sequential",
        save_strategy="no",
        seed=5,
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, 0.5],
        beta=0.3,
    )
    trainer = DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(solver, dtype="float32"),
        args=settings,
        train_dataset=Dataset.from_list([pair(int(number)) for number in order(PAIRS, 1, 5, 2 * STEPS)]),
        processing_class=AutoTokenizer.from_pretrained(solver),
    )
    trainer.train()
    return [line for line in trainer.state.log_history if "loss" in line]


def test_losses_and_gradients_are_those_of_trl_and_a_resumed_training_asks_the_reference_nothing(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from promptcot.training.dpo_trainer import DpoTrainer

    settings = {"method__dpo": "{beta=0.3, sft_weight=0.5}", "checkpoints__every": 2}
    told = train("whole", **settings)
    assert f"reference: log-probabilities of {PAIRS} pairs are computed" in told
    ours, theirs = logged(tmp_path / "whole"), plain(tmp_path / "plain")
    assert [line["loss"] for line in ours] == pytest.approx([line["loss"] for line in theirs], abs=1e-5)
    assert [line["grad_norm"] for line in ours] == pytest.approx([line["grad_norm"] for line in theirs], rel=1e-5)
    assert len({line["loss"] for line in ours}) == STEPS

    shutil.copytree(tmp_path / "whole", tmp_path / "again")
    shutil.rmtree(tmp_path / "again" / f"checkpoint-{STEPS}")
    monkeypatch.setattr(DpoTrainer, "compute_ref_log_probs", None)
    told = train("again", **settings)
    assert "resuming from step 2 (checkpoint-2)" in told
    assert logged(tmp_path / "again") == ours
    card = (tmp_path / "again" / "model" / "README.md").read_text()
    assert "| method | DPO, all weights |" in card
    assert "| dpo: beta | 0.3 |" in card


def test_pairs_that_teach_nothing_are_left_out_by_name(tmp_path: Path, train: Train) -> None:
    bad = [
        {"id": "equal", "prompt": "1\n", "chosen": "1", "rejected": " 1\n"},
        {"id": "empty", "prompt": "1\n", "chosen": "1", "rejected": ""},
        {"id": "no side", "prompt": "1\n", "chosen": "1"},
        {"id": "no prompt", "chosen": "1", "rejected": "2"},
        {"id": "nothing", "prompt": "1\n", "completion": "1"},
        {"id": "long", "prompt": "1\n", "chosen": "1 + " * 200, "rejected": "2 + " * 200},
        {"id": "end", "prompt": "1\n", "chosen": "1", "rejected": "<eos>\n"},
        {"id": "quoted", "prompt": "1\n", "chosen": "1", "rejected": "1<eos> = 1"},
    ]
    rows = tmp_path / "pairs.jsonl"
    rows.write_bytes(rows.read_bytes() + b"".join(map(dumps, bad)))
    told = train("odd", schedule__max_steps=1, data__validation=0.2, method__lora="{rank=4}")
    data, way_out = [line for line in told if line.startswith("data")]
    assert way_out.startswith("data: too long: a side and the prompt are longer than the window: raise")
    assert data.startswith(f"data: {PAIRS + len(bad)} pairs, ")
    assert "2 in the other part of the validation split" in data
    lines = (tmp_path / "odd" / "dropped.jsonl").read_bytes().splitlines()
    left_out = {row["id"]: row["reason"] for row in map(loads, lines)}
    assert left_out == {
        "equal": "chosen and rejected are equal",
        "empty": "rejected: empty completion",
        "no side": "no rejected answer",
        "no prompt": "no prompt: it has `chosen`, `rejected`",
        "nothing": "neither chosen nor rejected: it has `prompt`, `completion`",
        "long": "too long",
        "end": "rejected: only an end mark",
        "quoted": "special token in the completion",
    }


def test_a_file_without_any_usable_pair_is_refused(tmp_path: Path, train: Train) -> None:
    (tmp_path / "pairs.jsonl").write_bytes(dumps({"id": "a", "prompt": "1", "completion": "2"}))
    with pytest.raises(InputError, match="no row is left to train on: 1 × neither chosen nor rejected"):
        train("none")
