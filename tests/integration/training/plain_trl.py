"""Plain TRL on the tokens of a recipe, in our order and padded, for comparison with our training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promptcot import nano
from promptcot.training.data.packing import order
from promptcot.training.data.store import TokenStore
from promptcot.training.data.tokenizers import load_tokenizer
from promptcot.training.data.tokens import open_store
from promptcot.training.recipe import TrainRecipe

AT_ONCE = 8
"""Rows that are padded together; how many does not change what is learnt."""


def padded(recipe: TrainRecipe, directory: Path) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """What TRL logs with the recipe's settings, and which rows each of its steps takes.

    In float32, in this process, over whole epochs or `max_steps`.
    """
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoModelForCausalLM, PrinterCallback
    from trl import SFTTrainer

    disable_progress_bars()

    tokenizer = load_tokenizer(recipe)
    store = open_store(recipe, tokenizer)
    chosen = order(len(store), recipe.schedule.epochs, recipe.seed)
    sampler = Epochs([epoch.tolist() for epoch in chosen.reshape(-1, len(store))])

    class Ordered(SFTTrainer):  # type: ignore[misc]
        def _get_train_sampler(self, *_: Any) -> Any:
            return sampler

    path = nano.resolve(recipe.model.path, "base")
    model = AutoModelForCausalLM.from_pretrained(path, dtype="float32", attn_implementation="sdpa")
    rows = Dataset.from_list([_row(store, number) for number in range(len(store))])
    trainer = Ordered(model=model, args=_arguments(recipe, directory), train_dataset=rows, processing_class=tokenizer)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    logged = [line for line in trainer.state.log_history if "loss" in line]
    per_step, count = recipe.sequences_per_step, len(store)
    taken = [sampler.taken[start : start + count] for start in range(0, len(sampler.taken), count)]
    steps = [epoch[start : start + per_step] for epoch in taken for start in range(0, len(epoch), per_step)]
    return logged, steps[: len(logged)]


def _arguments(recipe: TrainRecipe, directory: Path) -> Any:
    from trl import SFTConfig

    schedule = recipe.schedule
    return SFTConfig(
        output_dir=str(directory),
        max_length=None,
        completion_only_loss=True,
        num_train_epochs=schedule.epochs,
        max_steps=schedule.max_steps or -1,
        per_device_train_batch_size=AT_ONCE,
        gradient_accumulation_steps=recipe.sequences_per_step // AT_ONCE,
        learning_rate=schedule.learning_rate,
        lr_scheduler_type=schedule.kind,
        warmup_steps=schedule.warmup_steps,
        weight_decay=schedule.weight_decay,
        adam_beta2=schedule.beta2,
        max_grad_norm=schedule.max_grad_norm,
        bf16=False,
        gradient_checkpointing=recipe.precision.gradient_checkpointing,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )


class Epochs:
    """A sampler with an order for each epoch, which records its output in `taken`."""

    def __init__(self, epochs: list[list[int]]) -> None:
        self._left, self._size = iter(epochs), len(epochs[0])
        self.taken: list[int] = []

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[int]:
        for row in next(self._left):
            self.taken.append(row)
            yield row


def _row(store: TokenStore, number: int) -> dict[str, Any]:
    ids, prompt = store.row(number)
    return {"input_ids": ids.tolist(), "completion_mask": [0] * prompt + [1] * (len(ids) - prompt)}
