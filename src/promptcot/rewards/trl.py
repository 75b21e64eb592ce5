"""The reward for TRL's trainers: `GRPOTrainer(reward_funcs=promptcot.rewards.trl.Reward(), …)`.

TRL passes lists, and excludes replies with the reward None, those whose gold cannot be read, from their groups. Reasons
go into the trainer's log, as shares, and into its table of completions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Unpack

from promptcot.errors import UsageError
from promptcot.rewards.rules import Options, Rules
from promptcot.rewards.scoring import score_batch, shares
from promptcot.rewards.texts import continued


class Reward:
    """A reward function for golds in one column of the data set. It can be pickled."""

    __name__ = "promptcot"  # in TRL's log

    def __init__(self, answer: str = "answer", **options: Unpack[Options]) -> None:
        self.answer, self.options, self.checked = answer, options, Rules(**options)

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        """The rewards of these completions; `columns` are the other columns and TRL's logging functions."""
        if self.answer not in columns:
            raise UsageError(f"the data set has no column {self.answer!r}: name that of the golds, Reward(answer=…)")
        replies = list(map(continued, prompts, completions))
        tokens = None if completion_ids is None else list(map(len, completion_ids))
        scores = score_batch(replies, columns[self.answer], tokens=tokens, **self.options)
        log_metric: Callable[[str, float], None] = columns.get("log_metric") or (lambda name, value: None)
        for name, share in shares(scores).items():
            log_metric(name, share)
        if log_extra := columns.get("log_extra"):
            log_extra("reason", [one.reason for one in scores])
        return [one.value for one in scores]
