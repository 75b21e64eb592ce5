"""The reward for verl: `reward.custom_reward_function.path=pkg://promptcot.rewards.verl`.

verl calls it in threads of its reward workers, which are Ray actors, and keeps the fields that it returns beside
`score`; verl's group filter reads `acc`. Options come from `reward.custom_reward_function.reward_kwargs`.
"""

from __future__ import annotations

from typing import Any, Unpack

from promptcot.rewards.rules import Options
from promptcot.rewards.scoring import flags, score


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: Any,
    extra_info: dict[str, Any] | None = None,
    reward_router_address: str | None = None,
    reward_model_tokenizer: Any = None,
    **options: Unpack[Options],
) -> dict[str, Any]:
    """`score`, `acc` (1 for a right answer), the `reason`, and a number for each. All results have the same keys."""
    one = score(solution_str, ground_truth, **options)
    return {"score": one.number, "acc": float(one.reason == "right"), "reason": one.reason, **flags(one)}
