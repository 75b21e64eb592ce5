"""A published recipe, packed, beside plain TRL with the published settings, padded: rows, losses and gradients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from promptcot import nano
from promptcot.training.data.packing import order
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data.tokens import TokenStore, open_store
from promptcot.training.recipe import TrainRecipe, load_train
from promptcot.training.trainer import mark
from tests.integration.training.trainings import logged, write_rows

pytestmark = [pytest.mark.engines, pytest.mark.filterwarnings("default")]  # TRL's own, of versions to come

torch.set_num_threads(1)

ROWS, WINDOW, PUBLISHED = 150, 128, 64


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainRecipe:
    """The published settings for a model and a window that a CPU can compute, in float32 and without DeepSpeed."""
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))
    changes = {
        "output_dir": str(tmp_path / "ours"),
        "model.path": "nano:solver",
        "model.revision": None,
        "data.path": [str(write_rows(tmp_path / "rows.jsonl", ROWS))],
        "schedule.max_length": WINDOW,
        "schedule.warmup_steps": 1,  # so that the model changes in a few steps
        "precision.dtype": "float32",
        "parallelism.zero": 0,
        "parallelism.offload_optimizer": "false",
        "watch.log_every": 1,
        "watch.samples": 0,
    }
    return load_train("promptcot-ds-1.5b", overrides=changes)


def test_a_packed_published_recipe_takes_the_steps_of_padded_trl(recipe: TrainRecipe, tmp_path: Path) -> None:
    from promptcot.training.run import train

    said: list[str] = []
    train(recipe, said.append)
    ours, theirs, rows = logged(tmp_path / "ours"), *plain_trl(recipe, tmp_path / "theirs")
    each = -(-ROWS // PUBLISHED)
    assert f"steps: {PUBLISHED} rows each, packed into micro-batches of at most {WINDOW} tokens" in said
    assert [len(step) for step in rows] == [PUBLISHED, PUBLISHED, ROWS - 2 * PUBLISHED] * 2
    assert [line["order"] for line in ours] == [mark(step) for step in rows]
    for key in ("loss", "grad_norm"):
        assert [line[key] for line in ours] == pytest.approx([line[key] for line in theirs], abs=1e-5, rel=0)
    assert ours[each]["loss"] < ours[0]["loss"] - 1e-3


def plain_trl(recipe: TrainRecipe, directory: Path) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """What TRL logs for the same tokens in the same order, padded, and the rows of each of its steps."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    tokenizer, schedule = load_tokenizer(recipe), recipe.schedule
    store = open_store(recipe, tokenizer)
    taken: list[int] = []

    class Padded(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, *_: Any) -> Any:
            drawn = order(len(store), schedule.epochs, recipe.seed).reshape(-1, len(store))
            return Epochs([epoch.tolist() for epoch in drawn], taken)

    args = SFTConfig(
        output_dir=str(directory),
        max_length=None,
        completion_only_loss=True,
        num_train_epochs=schedule.epochs,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=8,
        learning_rate=schedule.learning_rate,
        lr_scheduler_type=schedule.kind,
        warmup_steps=schedule.warmup_steps,
        weight_decay=schedule.weight_decay,
        bf16=False,
        gradient_checkpointing=recipe.precision.gradient_checkpointing,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    model = AutoModelForCausalLM.from_pretrained(nano.path("solver"), dtype="float32", attn_implementation="sdpa")
    rows = Dataset.from_list([_row(store, number) for number in range(len(store))])
    trainer = Padded(model=model, args=args, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    epochs = [taken[start : start + ROWS] for start in range(0, len(taken), ROWS)]
    steps = [epoch[start : start + PUBLISHED] for epoch in epochs for start in range(0, ROWS, PUBLISHED)]
    return [line for line in trainer.state.log_history if "loss" in line], steps


class Epochs:
    """A sampler with an order for each epoch, which notes what it gave."""

    def __init__(self, epochs: list[list[int]], taken: list[int]) -> None:
        self._epochs, self._taken = iter(epochs), taken
        self._size = len(epochs[0])

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        for row in next(self._epochs):
            self._taken.append(row)
            yield row


def _row(store: TokenStore, number: int) -> dict[str, Any]:
    ids, prompt = store.row(number)
    return {"input_ids": ids.tolist(), "completion_mask": [0] * prompt + [1] * (len(ids) - prompt)}
