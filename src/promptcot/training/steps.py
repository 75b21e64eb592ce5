"""A trainer whose batches are whole steps, for steps that are counted in rows and differ in their micro-batches.

transformers' own accumulation uses the same number of micro-batches in every step. Here each step counts as one batch,
and a loop inside that batch runs the micro-batches: their gradients add up, and are exchanged with the last one, which
is also when DeepSpeed steps. Checkpoints, schedules and logs count steps and need no change. `data.steps` decides which
rows a step has and how they are shared.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from accelerate.utils import DistributedType

from promptcot.training.trainer import Trainer

Batch = dict[str, Any]


class StepTrainer(Trainer):
    """For batches that hold `micro_batches`, as many in every process."""

    def training_step(self, model: Any, inputs: Batch, *args: Any, **named: Any) -> torch.Tensor:
        """All micro-batches of a step, forward and backward; the sum of their losses. Raises Diverged."""
        parts: list[Batch] = inputs["micro_batches"]
        self.current_gradient_accumulation_steps = len(parts)
        total = torch.zeros((), device=self.args.device)
        for left, part in zip(reversed(range(len(parts))), parts, strict=True):
            self.accelerator.gradient_state._set_sync_gradients(left == 0)
            with self._exchanging(model, left == 0):
                total += super().training_step(model, part, *args, **named)
        return total

    def floating_point_ops(self, inputs: Batch) -> int:
        """Those of all micro-batches."""
        return sum(super(StepTrainer, self).floating_point_ops(part) for part in inputs["micro_batches"])

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> Any:
        """The number of tokens with a loss in a step, over all processes, by which its loss is divided."""
        parts = [part for sample in batch_samples for part in sample.get("micro_batches", [sample])]
        return super()._get_num_items_in_batch(parts, device)

    def _exchanging(self, model: Any, now: bool) -> AbstractContextManager[Any]:
        """DeepSpeed decides itself what it exchanges before the end of a step, and FSDP would need more memory."""
        if now or self.accelerator.distributed_type in (DistributedType.DEEPSPEED, DistributedType.FSDP):
            return nullcontext()
        held_back: AbstractContextManager[Any] = self.accelerator.no_sync(model)
        return held_back
