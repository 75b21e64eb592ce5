"""A training that is given more steps than it was begun with: it goes on from its last checkpoint.

Only its length may grow (`schedule.max_steps`, `schedule.epochs`); `checkpoints.began_with` refuses all else. The data
go on in their order, for that of an epoch does not depend on how many there are. The learning rate is from then on what
it would be in a training that was planned so long: where it falls over all steps (linear, cosine) it rises first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

from promptcot.errors import InputError
from promptcot.storage.json import loads
from promptcot.training.checkpoints import Found

_STATE = "trainer_state.json"


class Length(TrainerCallback):  # type: ignore[misc]
    """Compares the steps that are planned now to those that were when the checkpoint was written."""

    def __init__(self, found: Found, say: Callable[[str], None]) -> None:
        self._planned = _planned(found)
        self._say = say

    def on_train_begin(
        self, args: Any, state: Any, control: Any, optimizer: Any = None, lr_scheduler: Any = None, **_: Any
    ) -> None:
        """Raises InputError for fewer steps than before."""
        before, now = self._planned, state.max_steps
        if before is None or before == now:
            return
        if now < before:
            raise InputError(
                f"{args.output_dir}: this training was begun with {before:,} steps, and the recipe now says {now:,} "
                "(schedule.max_steps, schedule.epochs): it can be made longer, not shorter. To train fewer steps, "
                "choose another --output_dir"
            )
        was, rate = _follow(optimizer, lr_scheduler)
        self._say(f"lengthened from {before:,} to {now:,} steps, with the data in the order of the longer training")
        if was != rate:
            self._say(
                f"note: the learning rate ({args.lr_scheduler_type.value}) goes on as in a training of {now:,} steps: "
                f"{rate:.3g} at step {state.global_step + 1:,}, where that of {before:,} steps had come to {was:.3g}"
            )


def _planned(found: Found) -> int | None:
    """The steps that were planned when a checkpoint was written; None without one."""
    if found.path is None:
        return None
    planned = loads((found.path / _STATE).read_bytes()).get("max_steps")
    return planned if isinstance(planned, int) else None


def _follow(optimizer: Any, scheduler: Any) -> tuple[float, float]:
    """Give the optimizer the rate of its next step, which the checkpoint has by the old schedule: before and now."""
    before = optimizer.param_groups[0]["lr"]
    rates = [
        base * rate(scheduler.last_epoch) for base, rate in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
    ]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    scheduler._last_lr = rates  # what the trainer logs
    return before, rates[0]
