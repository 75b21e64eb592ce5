"""The environment for SkyRL, which creates one for each trajectory and steps it in a thread.

The gold is `reward_spec.ground_truth` of the row. A gold that cannot be read gets 0; `metadata` has the reason.
docs/rewards.md shows how to register it, with its options.
"""

from typing import Any

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

from promptcot.rewards.rules import Options
from promptcot.rewards.scoring import flags, score


class PromptCoTEnv(BaseTextEnv):  # type: ignore[misc]
    """One turn: the reply is scored, and the trajectory ends."""

    def __init__(self, env_config: Any = None, extras: dict[str, Any] | None = None, reward: Options | None = None):
        super().__init__()
        self.gold = (extras or {})["reward_spec"]["ground_truth"]
        self.options: Options = reward or {}
        self.metrics: dict[str, float] = {}

    def step(self, action: str) -> BaseTextEnvStepOutput:
        """The reward of the reply."""
        one = score(action, self.gold, **self.options)
        self.metrics = {"acc": float(one.reason == "right"), **flags(one)}
        metadata = {"reason": one.reason, "acc": self.metrics["acc"]}
        return BaseTextEnvStepOutput(observations=[], reward=one.number, done=True, metadata=metadata)

    def get_metrics(self) -> dict[str, float]:
        """1 for the reason of the score and 0 for the others; SkyRL averages them."""
        return self.metrics
