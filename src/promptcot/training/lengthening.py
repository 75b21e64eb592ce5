"""Continues a training run with more steps than it started with, from its last checkpoint.

Only its length may grow (`schedule.max_steps`, `schedule.epochs`); `checkpoints.began_with` refuses all other changes.
The data continue in order, because the order of an epoch does not depend on the number of epochs. The learning rate
becomes that of a run planned with the new length: with a schedule that decays over all steps (linear, cosine) it rises
first. If the shorter run ended in the middle of a step, the longer one continues after that step, and the missing rows
are skipped: `missed` counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from promptcot.errors import InputError
from promptcot.storage.json import loads
from promptcot.training.checkpoints import Found
from promptcot.training.data.packing import order
from promptcot.training.data.steps import steps
from promptcot.training.recipe import Schedule, TrainRecipe

_STATE = "trainer_state.json"


class Length(TrainerCallback):  # type: ignore[misc]
    """Compares the planned steps with those at the time of the checkpoint.

    `missed` describes skipped rows. The intervals of logging, evaluation and saving are those of the current recipe: a
    resumed trainer would use those of its checkpoint.
    """

    def __init__(self, found: Found, missed: str | None, say: Callable[[str], None]) -> None:
        self._planned, self._missed = _planned(found), missed
        self._say = say

    def on_train_begin(
        self, args: Any, state: Any, control: Any, optimizer: Any = None, lr_scheduler: Any = None, **_: Any
    ) -> None:
        """Raises InputError for fewer steps than before."""
        before, now = self._planned, state.max_steps
        state.compute_steps(args, now)
        if before is None or before == now:
            return
        if now < before:
            raise _shorter(args.output_dir, before, now)
        was, rate = _follow(optimizer, lr_scheduler)
        self._say(f"lengthened from {before:,} to {now:,} steps, with the data in the order of the longer run")
        if self._missed:
            self._say(
                f"note: step {before:,} was the last one, and smaller than in the longer run, by {self._missed}; "
                "the missing rows are skipped in that epoch"
            )
        if was != rate:
            self._say(
                f"note: the learning rate ({args.lr_scheduler_type.value}) continues as in a run of {now:,} "
                f"steps: {rate:.3g} at step {state.global_step + 1:,}, while the run of {before:,} steps had "
                f"reached {was:.3g}"
            )


def refuse_shorter(found: Found, recipe: TrainRecipe, count: int) -> None:
    """The same before anything is written or loaded, if `count`, per epoch, sets the steps. Raises InputError."""
    before, now = _planned(found), len(_sizes(recipe, count))
    if before is not None and count and now < before:
        raise _shorter(recipe.directory, before, now)


def _shorter(directory: Path | str, before: int, now: int) -> InputError:
    return InputError(
        f"{directory}: this training run was begun with {before:,} steps, and the recipe now says {now:,} "
        "(schedule.max_steps, schedule.epochs): it can be made longer, not shorter. To train fewer steps, "
        "choose another --output_dir"
    )


def missed(before: Mapping[str, Any] | None, recipe: TrainRecipe, count: int, step: int) -> str | None:
    """The rows, packed sequences or pairs (of `count`) that a training run skips when it resumes after `step`, as text;
    None for none.

    `before` are the settings it started with, of which the schedule is used.
    """
    if before is None or not count:
        return None
    shorter = recipe.model_copy(update={"schedule": Schedule.model_validate(before["settings"]["schedule"])})
    learnt, planned = _sizes(shorter, count), _sizes(recipe, count)
    if step != len(learnt) or not (lacked := sum(planned[:step]) - sum(learnt)):
        return None
    unit = "pair" if recipe.method.kind == "dpo" else "row" if recipe.rows_per_step else "packed sequence"
    return f"{lacked:,} {unit}{'s' * (lacked > 1)}"


def _sizes(recipe: TrainRecipe, count: int) -> list[int]:
    """How much of `count` each step takes."""
    schedule, per_step = recipe.schedule, recipe.sequences_per_step
    if schedule.step_by == "rows":
        return [*map(len, steps(count, schedule.epochs, recipe.seed, per_step, schedule.max_steps))]
    wanted = schedule.max_steps and schedule.max_steps * per_step
    total = len(order(count, schedule.epochs, recipe.seed, wanted))
    return [min(per_step, total - start) for start in range(0, total, per_step)]


def _planned(found: Found) -> int | None:
    """The planned steps at the time of a checkpoint; None without one."""
    if found.path is None:
        return None
    planned = loads((found.path / _STATE).read_bytes()).get("max_steps")
    return planned if isinstance(planned, int) else None


def _follow(optimizer: Any, scheduler: Any) -> tuple[float, float]:
    """Set the optimizer's learning rate for its next step, which the checkpoint has by the old schedule; returns old
    and new.
    """
    before = optimizer.param_groups[0]["lr"]
    rates = [
        base * rate(scheduler.last_epoch) for base, rate in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
    ]
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    scheduler._last_lr = rates  # the value that the trainer logs
    return before, rates[0]
