"""TRL's trainers with known rows in each batch: they stop at a non-finite loss, and report the rows of its batch.

Does not change the loss or the optimizer. Every finished checkpoint is sealed, so that an incomplete one is detected,
and older checkpoints are removed only afterwards. `Guarded` is shared by all methods; `Trainer` is for supervised
fine-tuning.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from trl import SFTTrainer

from promptcot.errors import PromptCoTError
from promptcot.training.checkpoints import rotate, seal
from promptcot.training.context import loss_of_part, only_in_training
from promptcot.training.data.store import TokenStore
from promptcot.training.parallel import know_fsdp_on_cpus
from promptcot.training.refusals import writing
from promptcot.training.report.watching import Meter

_NAMED = 20  # rows that an error lists
_MARKS = 1 << 48


class Diverged(PromptCoTError):
    """The loss or its gradient is not finite, so a step would destroy the weights."""


def mark(rows: Iterable[int]) -> int:
    """An order-independent number that identifies a set of rows."""
    digests = (hashlib.blake2b(str(row).encode(), digest_size=6).digest() for row in rows)
    return sum(int.from_bytes(digest, "big") for digest in digests) % _MARKS


class Guarded:
    """A mixin for TRL's trainers, placed before them among the bases of a class.

    `name_of` is the id of a row by its number; the trainer calls `note` with the rows of each micro-batch, and their
    tokens. `eval_collator` makes the batches of validation, whose rows are in a separate store. The newest `keep`
    checkpoints are kept.
    """

    args: Any
    state: Any
    accelerator: Any
    data_collator: Any
    is_deepspeed_enabled: bool
    is_fsdp_enabled: bool
    is_world_process_zero: Callable[[], bool]

    def __init__(
        self, *, name_of: Callable[[int], str], meter: Meter, keep: int, eval_collator: Any = None, **arguments: Any
    ) -> None:
        self._name_of, self._meter, self._keep, self._eval_collator = name_of, meter, keep, eval_collator
        self._order = (-1, 0)
        self._step_rows: list[int] = []
        self._batch_rows: list[int] = []
        super().__init__(**arguments)

    def create_accelerator_and_postprocess(self) -> None:
        """As in the base trainer, but FSDP also shards the model without GPUs."""
        know_fsdp_on_cpus(bool(self.args.fsdp))
        super().create_accelerator_and_postprocess()  # type: ignore[misc]

    def note(self, rows: list[int], tokens: int, completion_tokens: int, marked: bool = True) -> None:
        """Record the rows of the current micro-batch; not `marked` if another process has the same rows."""
        step, so_far = self._order
        if step != self.state.global_step:
            step, so_far, self._step_rows = self.state.global_step, 0, []
        self._order = step, (so_far + mark(rows if marked else [])) % _MARKS
        self._step_rows += rows
        self._batch_rows = rows
        self._meter.add(tokens, completion_tokens)

    def training_step(self, model: Any, inputs: Any, *args: Any, **named: Any) -> torch.Tensor:
        """One micro-batch forward and backward. Raises Diverged where its loss is not finite."""
        loss: torch.Tensor = super().training_step(model, inputs, *args, **named)  # type: ignore[misc]
        if not bool(torch.isfinite(loss)):
            raise Diverged(self._diverged("loss", self._batch_rows, float(loss)))
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The norm of the gradient, before the step is taken. Raises Diverged where it is not finite."""
        found = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[misc]
        if found is not None and not math.isfinite(float(found)):
            raise Diverged(self._diverged("norm of the gradient", self._step_rows, float(found)))
        return found

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As in the base trainer, but if each process has all weights, only the first one copies them."""
        if self.is_deepspeed_enabled and self.accelerator.state.deepspeed_plugin.zero_stage < 3:
            if self.args.should_save:
                self._save(output_dir)  # type: ignore[attr-defined]
            return
        super().save_model(output_dir, _internal_call)  # type: ignore[misc]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> Any:
        """Batches of the held-out rows."""
        with self.collating(self._eval_collator):
            return super().get_eval_dataloader(eval_dataset)  # type: ignore[misc]

    @contextmanager
    def collating(self, collator: Any) -> Iterator[None]:
        """Make batches with another collator."""
        usual, self.data_collator = self.data_collator, collator
        try:
            yield
        finally:
            self.data_collator = usual

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with an identifier of the rows of this step, for comparing two runs: it does not depend on how the rows
        are packed and distributed over processes.
        """
        if "loss" in logs:
            logs = {**logs, "order": self._mark_of_step()}
        super().log(logs, start_time)  # type: ignore[misc]

    def save_more(self, folder: Path) -> None:
        """Add this method's own state to a checkpoint; every process calls it."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """A checkpoint, sealed; older ones are removed. Raises StorageError if it cannot be written."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        with writing(folder):
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            self.save_more(folder)
        self.accelerator.wait_for_everyone()
        if self.is_world_process_zero():
            seal(folder)
            rotate(folder.parent, self._keep, self.state.best_global_step)

    def _mark_of_step(self) -> int:
        here = torch.tensor(self._order[1], dtype=torch.int64, device=self.args.device)
        return int(self.accelerator.reduce(here, "sum")) % _MARKS

    def _diverged(self, what: str, rows: list[int], value: float) -> str:
        ids = list(map(self._name_of, rows))
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        return (
            f"step {self.state.global_step + 1}: the {what} is {value}, on the rows {', '.join(ids[:_NAMED])}{more}.\n"
            "Look at these rows; a smaller schedule.learning_rate or schedule.max_grad_norm, or float32, may help. "
            "Checkpoints of earlier steps are kept: if it diverges again from the newest, delete that one"
        )


class Trainer(Guarded, SFTTrainer):  # type: ignore[misc]
    """SFTTrainer for batches that carry `rows`, the numbers of their rows in `store`."""

    def __init__(self, *, store: TokenStore, context: int = 1, **arguments: Any) -> None:
        self._store, self._context = store, context
        self._validated = torch.zeros(2, dtype=torch.float64)  # the loss of all tokens with a loss, and their number
        super().__init__(name_of=store.id, **arguments)
        self.model_accepts_loss_kwargs = True  # each loss is divided by the tokens of the step, also of cut sequences

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **named: Any) -> Any:
        """The loss of a batch, without the row numbers, which are not a model input."""
        if "leads" in inputs:
            return loss_of_part(model, inputs, named["num_items_in_batch"], self.args.world_size // self._context)
        found = super().compute_loss(model, {k: v for k, v in inputs.items() if k != "rows"}, *args, **named)
        if not model.training:
            loss, tokens = found[0] if isinstance(found, tuple) else found, int((inputs["labels"] != -100).sum())
            self._validated += torch.tensor([float(loss) * tokens, tokens], dtype=torch.float64)
        return found

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **named: Any) -> torch.Tensor:
        """One micro-batch forward and backward. Raises Diverged where its loss is not finite."""
        rows = [row for pack in inputs["rows"] for row in pack]
        counted = sum(int(self._store.lengths[row]) for row in rows) if inputs.get("leads", True) else 0
        self.note(rows, counted, int((inputs["labels"] != -100).sum()), marked=inputs.get("leads", True))
        return super().training_step(model, inputs, *args, **named) * self._context  # this loss was a part of it

    def get_sp_size(self) -> int:
        """1: the processes of a group get the same batches, and split them (`context`), so none are gathered."""
        return 1

    def _prepare_for_training(self, *arguments: Any, **named: Any) -> Any:
        if self._context == 1:
            return super()._prepare_for_training(*arguments, **named)
        attention = self.model.config._attn_implementation
        usual = ALL_ATTENTION_FUNCTIONS[attention]
        self.accelerator.deepspeed_ulysses_dl_adapter = lambda loader, model: loader
        prepared = super()._prepare_for_training(*arguments, **named)
        only_in_training(attention, usual)
        return prepared

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The validation loss is per token, like the training loss; the base trainer's is per row."""
        if "eval_loss" in logs:
            logs = {**logs, "eval_loss": self._validation_loss()}
        super().log(logs, start_time)

    def _validation_loss(self) -> float:
        total, tokens = self.accelerator.reduce(self._validated.to(self.args.device, torch.float32), "sum").tolist()
        self._validated.zero_()
        return float(total / tokens) if tokens else math.nan
