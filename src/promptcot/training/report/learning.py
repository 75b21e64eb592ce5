"""Warns when reinforcement learning has no signal: all completions of each prompt get the same reward.

Decides when the warning is shown, and which remedy it suggests for these rewards. It is shown once, after the first
steps, and does not stop the training: rewards may diverge later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

from promptcot.training.recipe import TrainRecipe

STEPS = 5
_EQUAL, _CUT, _RIGHT = "frac_reward_zero_std", "completions/clipped_ratio", "reason/right"
_REWARD = "reward"
_MOSTLY = 0.5


class LearningWatcher(TrainerCallback):  # type: ignore[misc]
    """The callback. `say` receives a line for the user, in the first process only."""

    def __init__(self, recipe: TrainRecipe, say: Callable[[str], None]) -> None:
        self._recipe, self._say = recipe, say
        self._lines: list[Mapping[str, Any]] = []
        self._done = False

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """Check the rewards of the steps since the previous line."""
        if self._done or not state.is_world_process_zero or not logs:
            return
        if _EQUAL in logs:  # steps that learn from earlier completions do not have it
            self._lines.append(logs)
        if self._lines and state.global_step >= min(STEPS, state.max_steps):
            self._done = True
            if verdict := nothing_to_learn(self._lines, self._recipe):
                self._say(verdict)


def nothing_to_learn(lines: Sequence[Mapping[str, Any]], recipe: TrainRecipe) -> str | None:
    """The warning for these lines of the log, with the remedy; None if some group has two different rewards."""
    if all(_is_none(line.get(_REWARD, 0.0)) for line in lines):
        return (
            "warning: nothing to learn so far: no completion got a reward, because the reward function of this recipe "
            "gave None for each of them"
        )
    if any(line[_EQUAL] is not None and line[_EQUAL] < 1 for line in lines):
        return None
    return (
        "warning: nothing to learn so far: in every group all completions got the same reward, so no completion is "
        f"better than another. {_way_out(lines, recipe)}"
    )


def _way_out(lines: Sequence[Mapping[str, Any]], recipe: TrainRecipe) -> str:
    grpo = recipe.method.grpo
    cut, right = (_mean(lines, name) for name in (_CUT, _RIGHT))
    if right is None:
        return "The reward function of this recipe gives all completions the same"
    if right > _MOSTLY:
        return (
            f"{right:.0%} of them are right: use harder problems (`promptcot select --pass-rate 0.1:0.9`, with a file "
            "that `promptcot label` wrote)"
        )
    if cut is not None and cut > _MOSTLY:
        limit = f" ({grpo.max_completion_length:,} tokens)" if grpo else ""
        return f"{cut:.0%} of them are cut off: raise method.grpo.max_completion_length{limit}"
    reasons = {name.removeprefix("reason/"): _mean(lines, name) for name in lines[0] if name.startswith("reason/")}
    common = max(reasons, key=lambda name: reasons[name] or 0.0)
    if common == "no_answer":
        return (
            f"{reasons[common]:.0%} of them give no answer in a box: ask for one in the prompt, or set "
            "method.grpo.reward.unboxed = true"
        )
    if common == "gold_unreadable":
        return "The golds cannot be read: `promptcot label --rl_path` writes rows whose golds can"
    return (
        f"{right:.0%} of them are right, most are {common.replace('_', ' ')}: use easier problems (`promptcot select "
        "--pass-rate 0.1:0.9`, with a file that `promptcot label` wrote), or more generations"
    )


def _is_none(reward: float | None) -> bool:
    return reward is None or math.isnan(reward)


def _mean(lines: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [float(line[name]) for line in lines if line.get(name) is not None]
    return sum(values) / len(values) if values else None
