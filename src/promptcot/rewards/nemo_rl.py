"""The environment for NeMo RL, which creates one Ray actor from it with the settings under `env.NAME` of its recipe.

It is called with a whole batch at a time. A gold that cannot be read gets 0, since NeMo RL has no value for a missing
reward; `metadata` has the reason. docs/rewards.md shows how to register it.
"""

from typing import Any

import ray
import torch
from nemo_rl.environments.interfaces import EnvironmentInterface, EnvironmentReturn

from promptcot.rewards.rules import Options
from promptcot.rewards.scoring import score_batch


@ray.remote(max_restarts=-1, max_task_retries=-1, max_concurrency=1000)
class PromptCoTEnvironment(EnvironmentInterface[dict[str, Any]]):  # type: ignore[misc]
    """One turn: each reply is scored against `ground_truth` of its metadata."""

    def __init__(self, cfg: Any) -> None:
        self.options: Options = dict(cfg.get("reward") or {})  # type: ignore[assignment]

    def step(self, message_log_batch: list[Any], metadata: list[dict[str, Any]]) -> EnvironmentReturn[dict[str, Any]]:
        """Rewards of shape (batch,); every conversation ends."""
        scores = score_batch(message_log_batch, [known["ground_truth"] for known in metadata], **self.options)
        return EnvironmentReturn(
            observations=[{"role": "environment", "content": f"Environment: {one.reason}"} for one in scores],
            metadata=[{**known, "reason": one.reason} for known, one in zip(metadata, scores, strict=True)],
            next_stop_strings=[None] * len(scores),
            rewards=torch.tensor([one.number for one in scores]),
            terminateds=torch.ones(len(scores)),
            answers=None,
        )

    def global_post_process_and_metrics(self, batch: Any) -> tuple[Any, dict[str, float]]:
        """The unchanged batch, and the mean reward, in which an unfinished reply counts as 0."""
        return batch, {"reward": (batch["rewards"] * batch["is_end"]).float().mean().item()}
