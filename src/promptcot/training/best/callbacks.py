"""Evaluates a model during training: pass@1 at some steps, a checkpoint of each new best, early stopping, and the
choice of the best checkpoint as the model.

Works for any trainer of transformers. Evaluations are kept in the trainer's own history, which each checkpoint
contains, so a resumed training run chooses like one that was never interrupted. `deciding` picks the best evaluation;
`questions` holds the problems.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import Trainer, TrainerCallback

from promptcot.evaluation.recipe import EvalRecipe
from promptcot.grading.graders import Graders
from promptcot.training.best.deciding import CRITERIA, Criterion, Mark
from promptcot.training.best.questions import Question, Reply, graders, measured
from promptcot.training.best.replies import draw
from promptcot.training.checkpoints import incomplete
from promptcot.training.data.stop_tokens import end_ids
from promptcot.training.files import CHECKPOINTS
from promptcot.training.recipe import TrainRecipe

Say = Callable[[str], None]


class StoppedEarly(Exception):
    """A resumed training run had already stopped early: nothing is left to train, and its model is to be saved."""


class Exam(TrainerCallback):  # type: ignore[misc]
    """Measures pass@1 every `watch.eval.every` steps and at the end; put it before `Best`.

    All processes sample replies, each to its share of the questions; the first one grades them.
    """

    def __init__(
        self, trainer: Trainer, recipe: TrainRecipe, evaluation: EvalRecipe, asked: Sequence[Question]
    ) -> None:
        watched = recipe.watch.eval
        self._trainer, self._evaluation, self._asked = trainer, evaluation, asked
        self._every = (watched and watched.every) or recipe.checkpoints.every
        self._divided = recipe.parallelism.divides_weights
        self._half = recipe.precision.dtype == "bfloat16"
        self._graders: Graders | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Sample, grade, and add the result to the history."""
        if state.global_step % self._every and state.global_step < state.max_steps:
            return
        began = time.perf_counter()
        mine = self._asked[args.process_index :: args.world_size]
        stop = end_ids(model.generation_config, self._trainer.processing_class)
        together = self._divided and torch.distributed.is_initialized()
        drawn = draw(model, self._trainer.processing_class, mine, stop=stop, together=together, half=self._half)
        found = self._graded(_collected(drawn, args.world_size), first=args.process_index == 0)
        logs = control.should_log  # logging resets it
        Trainer.log(self._trainer, {**found, "eval_pass@1_seconds": time.perf_counter() - began})
        control.should_log = logs

    def _graded(self, drawn: Sequence[Sequence[Reply]], first: bool) -> dict[str, float]:
        """The grades of the replies of all processes, computed by the first one."""
        found: list[dict[str, float]] = [{}]
        if first:
            replies = [drawn[place % len(drawn)][place // len(drawn)] for place in range(len(self._asked))]
            self._graders = self._graders or graders(self._evaluation)
            found = [measured(self._evaluation, self._graders, self._asked, replies)]
        return dict(broadcast_object_list(found)[0])

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """End the grading processes."""
        if self._graders is not None:
            self._graders.close()


def _collected(drawn: list[Reply], processes: int) -> list[list[Reply]]:
    """The replies of all processes."""
    if processes == 1:
        return [drawn]
    every: list[list[Reply]] = [[] for _ in range(processes)]
    torch.distributed.all_gather_object(every, drawn)
    return every


class Best(TrainerCallback):  # type: ignore[misc]
    """Keeps a checkpoint of the best evaluation, and stops a training run after `patience` evaluations without
    improvement.
    """

    def __init__(self, criterion: Criterion, patience: int | None, say: Say) -> None:
        self._criterion, self._patience, self._say = criterion, patience, say

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Raises StoppedEarly if this training run had already stopped early."""
        if self._note(state) and self._spent(state) and state.global_step < state.max_steps:
            self._say(f"{self._why(state)}; to continue, raise checkpoints.patience")
            raise StoppedEarly

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After `Exam`."""
        self._decide(state, control)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After the validation loss."""
        self._decide(state, control)

    def _decide(self, state: Any, control: Any) -> None:
        known = state.best_global_step
        best = self._note(state)
        if best is not None and best.step == state.global_step != known:
            control.should_save = True
        if self._spent(state) and not control.should_training_stop:
            self._say(self._why(state))
            control.should_save = control.should_training_stop = True

    def _note(self, state: Any) -> Mark | None:
        """Record the best evaluation; the trainer and the rotation of its checkpoints use it from then on."""
        best = self._criterion.best(self._criterion.marks(state.log_history))
        if best is not None:
            state.best_global_step, state.best_metric = best.step, best.value
        return best

    def _spent(self, state: Any) -> bool:
        return self._patience is not None and self._waited(state) >= self._patience

    def _waited(self, state: Any) -> int:
        return self._criterion.waited(self._criterion.marks(state.log_history))

    def _why(self, state: Any) -> str:
        waited, name = self._waited(state), self._criterion.name
        times = "1 evaluation" if waited == 1 else f"{waited} evaluations in a row"
        better = "higher" if self._criterion.more_is_better else "lower"
        best = Mark(state.best_global_step, state.best_metric)
        return (
            f"stopped early at step {state.global_step:,}: {times} without a {better} {name} than "
            f"{self._criterion.shown(best)} at step {best.step:,} (checkpoints.patience = {self._patience})"
        )


def take_best(trainer: Any, recipe: TrainRecipe, say: Say) -> dict[str, Any]:
    """Load the weights of the best complete checkpoint into the trainer, and add a note and its step (`at_step`) for
    the card.

    Every process must call it. Does nothing if the last weights are the best.
    """
    criterion, state = CRITERIA.get(recipe.checkpoints.best), trainer.state
    if criterion is None:
        return {}
    marks = criterion.marks(state.log_history)
    [whole] = broadcast_object_list([_complete_steps(recipe.directory)])
    best, chosen = criterion.best(marks), criterion.best([mark for mark in marks if mark.step in whole])
    if best is None or chosen is None:
        say(f"note: no {criterion.name} was measured, so the last weights are the model")
        return {}
    if chosen != best:
        say(f"note: the checkpoint of step {best.step:,}, which was better, is missing or damaged")
    if chosen.step != state.global_step:
        state.best_model_checkpoint = str(recipe.directory / CHECKPOINTS.replace("*", str(chosen.step)))
        trainer._load_best_model()
    choice = _choice(criterion, chosen, best, marks[-1], state.global_step)
    say(f"best checkpoint: {choice}")
    return {"checkpoint": choice, "at_step": chosen.step}


def _complete_steps(directory: Path) -> set[int]:
    """The steps of complete checkpoints."""
    folders = [folder for folder in directory.glob(CHECKPOINTS) if incomplete(folder) is None]
    return {int(folder.name.rpartition("-")[2]) for folder in folders}


def _choice(criterion: Criterion, chosen: Mark, best: Mark, last: Mark, steps: int) -> str:
    extreme = "highest" if criterion.more_is_better else "lowest"
    text = f"step {chosen.step:,} of {steps:,}, the {extreme} {criterion.name}, {criterion.shown(chosen)}"
    if chosen != best:
        text += f", of the checkpoints that are left; that of step {best.step:,}, which is lost, was "
        text += criterion.shown(best)
    if last.step == chosen.step:
        return text
    return f"{text}; the last, at step {last.step:,}, was {criterion.shown(last)}"
