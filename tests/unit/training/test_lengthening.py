"""A training that continues for more steps than it started with."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import TrainerState, get_scheduler

from promptcot.errors import InputError
from promptcot.storage.json import dumps
from promptcot.training.checkpoints import Found
from promptcot.training.lengthening import Length, missed, refuse_shorter
from promptcot.training.recipe import load_train

RATE = 1e-3
OFTEN = (3, 4, 5)
"""Every how many steps the recipe now logs, evaluates and saves."""


def schedule(kind: str, steps: int) -> tuple[Any, Any]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    return optimizer, get_scheduler(kind, optimizer, num_warmup_steps=2, num_training_steps=steps)


def resumed(
    tmp_path: Path, kind: str, before: int, now: int, said: list[str], lacked: str | None = None
) -> tuple[Any, Any, TrainerState]:
    """Optimizer, scheduler and state as the trainer has them when a training of `before` steps, finished, goes on."""
    optimizer, scheduler = schedule(kind, before)
    for _ in range(before):
        optimizer.step()
        scheduler.step()
    new_optimizer, new = schedule(kind, now)
    new_optimizer.load_state_dict(optimizer.state_dict())
    new.load_state_dict(scheduler.state_dict())
    (tmp_path / "trainer_state.json").write_bytes(dumps({"max_steps": before}))
    args = SimpleNamespace(output_dir="out", lr_scheduler_type=SimpleNamespace(value=kind))
    args.logging_steps, args.eval_steps, args.save_steps = OFTEN
    state = TrainerState(max_steps=now, global_step=before)
    Length(Found(tmp_path), lacked, said.append).on_train_begin(
        args, state, None, optimizer=new_optimizer, lr_scheduler=new
    )
    return new_optimizer, new, state


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant_with_warmup"])
def test_the_learning_rate_goes_on_as_in_the_longer_training(tmp_path: Path, kind: str) -> None:
    said: list[str] = []
    optimizer, scheduler, _ = resumed(tmp_path, kind, 10, 40, said)
    whole, its = schedule(kind, 40)
    for step in range(40):
        if step >= 10:
            assert optimizer.param_groups[0]["lr"] == pytest.approx(whole.param_groups[0]["lr"])
            assert scheduler.get_last_lr() == pytest.approx(its.get_last_lr())
            optimizer.step()
            scheduler.step()
        whole.step()
        its.step()
    assert said[0] == "lengthened from 10 to 40 steps, with the data in the order of the longer run"
    assert len(said) == (1 if kind == "constant_with_warmup" else 2)


def test_the_jump_of_the_learning_rate_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    resumed(tmp_path, "linear", 10, 18, said)
    assert said[1] == (
        "note: the learning rate (linear) continues as in a run of 18 steps: 0.0005 at step 11, while the run of 10 "
        "steps had reached 0"
    )


def test_a_training_cannot_be_made_shorter(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"begun with 10 steps, and the recipe now says 8 \(schedule\.max_steps, "):
        resumed(tmp_path, "linear", 10, 8, [])
    told = {"method.packing": False, "schedule.micro_batch": 1, "schedule.accumulation": 4}
    refuse_shorter(Found(tmp_path), load_train("nano-student", overrides={**told, "schedule.max_steps": 10}), 11)
    with pytest.raises(InputError, match=r"begun with 10 steps, and the recipe now says 6"):
        refuse_shorter(Found(tmp_path), load_train("nano-student", overrides=told), 11)


def test_the_same_length_says_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    resumed(tmp_path, "linear", 10, 10, said)
    assert not said


@pytest.mark.parametrize("now", [10, 40])
def test_a_training_that_goes_on_logs_evaluates_and_saves_as_the_recipe_says_now(tmp_path: Path, now: int) -> None:
    *_, state = resumed(tmp_path, "constant", 10, now, [])
    assert (state.logging_steps, state.eval_steps, state.save_steps) == OFTEN


@pytest.mark.parametrize(
    ("before", "now", "step", "lacked"),
    [
        pytest.param({"epochs": 1}, {"epochs": 2}, 3, "1 row", id="the second epoch begins in the last step"),
        pytest.param({"epochs": 1}, {"epochs": 2}, 2, None, id="the last step was never taken"),
        pytest.param({"max_steps": 3}, {"epochs": 2}, 3, None, id="steps that are counted are whole"),
        pytest.param(
            {"epochs": 1, "step_by": "rows"}, {"epochs": 2, "step_by": "rows"}, 3, None, id="an epoch of rows"
        ),
        pytest.param({"epochs": 1.4, "step_by": "rows"}, {"epochs": 2, "step_by": "rows"}, 4, None, id="whole in both"),
        pytest.param(
            {"epochs": 1.5, "step_by": "rows"},
            {"max_steps": 6, "step_by": "rows"},
            5,
            "3 rows",
            id="a part of an epoch",
        ),
        pytest.param({"epochs": 2}, {"epochs": 2}, 6, None, id="the same length"),
    ],
)
def test_what_a_longer_training_passes_over_is_told(
    tmp_path: Path, before: dict[str, Any], now: dict[str, Any], step: int, lacked: str | None
) -> None:
    told = {"method.packing": False, "schedule.micro_batch": 1, "schedule.accumulation": 4}
    earlier, later = (
        load_train("nano-student", overrides={**told, **{f"schedule.{key}": value for key, value in one.items()}})
        for one in (before, now)
    )
    began = {"settings": {"schedule": earlier.schedule.model_dump(mode="json")}}
    assert missed(began, later, 11, step) == lacked
    said: list[str] = []
    resumed(tmp_path, "constant", 10, 40, said, lacked)
    assert ("the missing rows are skipped in that epoch" in said[-1]) == (lacked is not None)
