"""Handles Ctrl-C and SIGTERM while training: finishes the current step, writes a checkpoint, and stops all processes.

A preempted job therefore loses nothing. A second signal stops it at once. The trainer decides what a checkpoint holds.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from transformers import TrainerCallback

from promptcot.interruption import Listener


class Stopper(TrainerCallback):  # type: ignore[misc]
    """The callback, for the trainer of every process. `stopped` is set if it stopped on request."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.stopped = False
        self._say = say
        self._listener = Listener(self._promise)
        self._listening = ExitStack()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Install the signal handlers."""
        self._listening.enter_context(self._listener.listening())

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop if any process was asked to: all of them must save together."""
        asked = torch.tensor([int(self._listener.asked)], device=args.device)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX)
        if int(asked):
            self.stopped = state.global_step < state.max_steps
            control.should_save = control.should_training_stop = True

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Restore the signal handlers."""
        self._listening.close()

    def _promise(self) -> None:
        self._say("stopping: this step is finished and a checkpoint is written; a second signal stops at once")
