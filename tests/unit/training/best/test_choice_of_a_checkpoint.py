"""The best evaluation, early stopping, and the callbacks, without a real training."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptcot.training.best.callbacks import Best, StoppedEarly, take_best
from promptcot.training.best.deciding import CRITERIA, Mark
from promptcot.training.checkpoints import seal
from promptcot.training.recipe import TrainRecipe

pytestmark = pytest.mark.engines

LOSS, PASS = CRITERIA["validation"], CRITERIA["eval"]


def history(key: str, *values: float, every: int = 10) -> list[dict[str, Any]]:
    """As a trainer keeps it: lines of other things between those of the evaluations."""
    lines: list[dict[str, Any]] = []
    for number, value in enumerate(values, 1):
        lines += [{"step": every * number, "loss": 1.0}, {"step": every * number, key: value}]
    return lines


@pytest.mark.parametrize(
    ("criterion", "values", "best", "waited"),
    [
        pytest.param(LOSS, (0.9, 0.7, 0.8), 20, 1, id="the lowest loss"),
        pytest.param(PASS, (0.1, 0.4, 0.3, 0.2), 20, 2, id="the highest pass@1"),
        pytest.param(PASS, (0.4, 0.4, 0.4), 10, 2, id="of equal ones the earliest"),
        pytest.param(LOSS, (0.9, 0.8, 0.7), 30, 0, id="the last, which still gets better"),
        pytest.param(
            LOSS, (0.9, math.nan, math.inf, 0.95), 10, 1, id="what is no number is neither better nor waiting"
        ),
        pytest.param(PASS, (0.0,), 10, 0, id="one alone"),
    ],
)
def test_the_best_evaluation(criterion: Any, values: tuple[float, ...], best: int, waited: int) -> None:
    marks = criterion.marks(history(criterion.key, *values))
    found = criterion.best(marks)
    assert (found.step, criterion.waited(marks)) == (best, waited)


def test_without_an_evaluation_nothing_is_best() -> None:
    marks = LOSS.marks([{"step": 10, "loss": 1.0}, {"step": 10, "eval_pass@1": 0.5}])
    assert (marks, LOSS.best(marks), LOSS.waited(marks)) == ([], None, 0)


def state(step: int, lines: list[dict[str, Any]]) -> SimpleNamespace:
    return SimpleNamespace(global_step=step, max_steps=100, log_history=lines, best_global_step=None, best_metric=None)


def decided(step: int, lines: list[dict[str, Any]], patience: int | None, said: list[str]) -> tuple[Any, Any]:
    now, control = state(step, lines), SimpleNamespace(should_save=False, should_training_stop=False)
    Best(PASS, patience, said.append).on_step_end(None, now, control)
    return now, control


def test_a_new_best_is_saved_and_others_are_not() -> None:
    lines = history(PASS.key, 0.2, 0.5, 0.4)
    saves = {step: decided(step, lines[: step // 5], None, [])[1].should_save for step in (10, 20, 30)}
    assert saves == {10: True, 20: True, 30: False}
    assert decided(30, lines, None, [])[0].best_global_step == 20


def test_it_stops_after_as_many_evaluations_as_its_patience_and_says_why() -> None:
    lines, said = history(PASS.key, 0.5, 0.4, 0.5), list[str]()
    assert not decided(20, lines[:4], 2, said)[1].should_training_stop
    assert not said
    _, control = decided(30, lines, 2, said)
    assert (control.should_save, control.should_training_stop) == (True, True)
    [why] = said
    assert why.startswith(
        "stopped early at step 30: 2 evaluations in a row without a higher pass@1 than 50.0 % at step 10"
    )


def test_a_training_that_had_stopped_early_takes_no_step_until_it_has_more_patience() -> None:
    lines, said = history(PASS.key, 0.5, 0.4, 0.5), list[str]()
    with pytest.raises(StoppedEarly):
        Best(PASS, 2, said.append).on_train_begin(None, state(30, lines), None)
    assert said[0].endswith("to continue, raise checkpoints.patience")
    Best(PASS, 3, said.append).on_train_begin(None, state(30, lines), None)
    Best(PASS, 2, said.append).on_train_begin(None, state(0, []), None)
    finished = state(30, lines)
    finished.max_steps = 30  # it ended where it was to end
    Best(PASS, 2, said.append).on_train_begin(None, finished, None)


class Trainer:
    """A trainer at the end of step 40 that records from where it loaded weights."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.state = state(40, lines)
        self.loaded: list[str] = []

    def _load_best_model(self) -> None:
        self.loaded.append(Path(self.state.best_model_checkpoint).name)


def checkpoint(directory: Path, step: int) -> Path:
    folder = directory / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights" * step)
    seal(folder)
    return folder


def recipe(directory: Path, best: str = "eval") -> TrainRecipe:
    watched = {"eval": {"recipe": "nano"}}
    told = {"model": {"path": "nano:base"}, "data": {"path": "rows.jsonl", "validation": 0.1}, "watch": watched}
    return TrainRecipe.model_validate({**told, "output_dir": str(directory), "checkpoints": {"best": best}})


def test_the_weights_of_the_best_checkpoint_are_taken_and_the_card_says_which(tmp_path: Path) -> None:
    for step in (20, 40):
        checkpoint(tmp_path, step)
    trainer, said = Trainer(history(PASS.key, 0.2, 0.5, 0.4, 0.3)), list[str]()
    facts = take_best(trainer, recipe(tmp_path), said.append)
    assert trainer.loaded == ["checkpoint-20"]
    told = "step 20 of 40, the highest pass@1, 50.0 %; the last, at step 40, was 30.0 %"
    assert facts == {"checkpoint": told, "at_step": 20}
    assert said == [f"best checkpoint: {facts['checkpoint']}"]


def test_where_the_last_step_is_the_best_nothing_is_loaded(tmp_path: Path) -> None:
    checkpoint(tmp_path, 40)
    trainer = Trainer(history(LOSS.key, 0.5, 0.4, 0.3, 0.2))
    told = take_best(trainer, recipe(tmp_path, "validation"), [].append)
    assert (trainer.loaded, told) == (
        [],
        {"checkpoint": "step 40 of 40, the lowest validation loss, 0.2", "at_step": 40},
    )


def test_a_best_checkpoint_that_is_damaged_is_told_and_the_next_best_is_taken(tmp_path: Path) -> None:
    (checkpoint(tmp_path, 20) / "model.safetensors").write_bytes(b"weights" * 20 + b"!")
    for step in (30, 40):
        checkpoint(tmp_path, step)
    trainer, said = Trainer(history(PASS.key, 0.2, 0.5, 0.4, 0.3)), list[str]()
    take_best(trainer, recipe(tmp_path), said.append)
    assert trainer.loaded == ["checkpoint-30"]
    assert said[0] == "note: the checkpoint of step 20, which was better, is missing or damaged"
    assert "40.0 %, of the checkpoints that are left; that of step 20, which is lost, was 50.0 %; the last, " in said[1]


def test_the_last_weights_are_the_model_where_nothing_is_chosen_or_measured(tmp_path: Path) -> None:
    trainer, said = Trainer(history(LOSS.key, 0.1, 0.2, 0.3, 0.4)), list[str]()
    assert take_best(trainer, recipe(tmp_path, "last"), said.append) == {}
    assert not said
    assert take_best(trainer, recipe(tmp_path, "eval"), said.append) == {}
    assert said == ["note: no pass@1 was measured, so the last weights are the model"]
    assert not trainer.loaded


def test_percentages_and_losses_are_shown_as_such() -> None:
    assert (PASS.shown(Mark(1, 0.125)), LOSS.shown(Mark(1, 0.51234))) == ("12.5 %", "0.5123")
