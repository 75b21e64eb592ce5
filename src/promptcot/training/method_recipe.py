"""The recipe's sections for preference optimization and reinforcement learning: `[method.dpo]` and `[method.grpo]`.

Decides the keys, defaults and bounds of these methods, and which keys of `[method]` they do not support. Only keys that
affect the result or the cost are here; all other settings have TRL's defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from promptcot.core.sections import Positive, Section

_Share = Annotated[float, Field(gt=0, lt=1)]
_NotNegative = Annotated[float, Field(ge=0)]

_OF_SFT = {"packing": False, "overlong": "drop"}
"""Keys of supervised fine-tuning only, with the values that other methods use."""


class Dpo(Section):
    """Direct preference optimisation (R. Rafailov et al., arXiv 2305.18290) on pairs of answers.

    `beta` holds the model near the one it started from: 0.1 in section 6 of that paper. `loss`: `sigmoid` is theirs;
    `ipo` (arXiv 2310.12036, where `beta` is its tau), `hinge` (arXiv 2305.10425), `robust` (arXiv 2403.00409, with
    `label_smoothing` as the share of pairs that are the wrong way round), `apo_zero` (arXiv 2408.06266) are TRL's.
    `sft_weight` adds the likelihood of chosen answers, which keeps it from falling: 1 in iterative reasoning preference
    optimisation (arXiv 2404.19733), 0 in the original. TRL takes the mean over tokens where that paper has it by pair.
    """

    beta: Annotated[float, Field(gt=0)] = 0.1
    loss: Literal["sigmoid", "ipo", "hinge", "robust", "apo_zero"] = "sigmoid"
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    sft_weight: _NotNegative = 0.0

    @model_validator(mode="after")
    def _smoothing_is_robust(self) -> Dpo:
        if self.label_smoothing and self.loss not in ("sigmoid", "robust"):
            raise ValueError(f"label_smoothing is for the losses sigmoid and robust, not for {self.loss}")
        return self


class Reward(Section):
    """The reward of a completion: `promptcot.rewards` with its options, or a user's own function.

    `function` is `module:name`, called like TRL's reward functions: `name(prompts, completions, **columns)`, returning
    a number or None for each completion. `buffer` is the length in tokens over which the penalty for long completions
    grows to 1 before `max_completion_length` (DAPO, arXiv 2503.14476, equation 13); 0: no penalty.
    """

    function: str | None = None
    verifier: str = "mathematics"
    limit: Annotated[float, Field(gt=0)] = 5.0
    format: float = 0.0
    unboxed: bool = False
    buffer: Annotated[int, Field(ge=0)] = 0


class Grpo(Section):
    """Group-relative policy optimization (DeepSeekMath, arXiv 2402.03300) on prompts with a known answer.

    A step learns from devices × micro_batch × accumulation completions; each prompt gets `generations` completions.
    `updates` is the number of steps on completions that were sampled together: with 1, training is strictly on-policy
    and clipping has no effect.

    `loss`: `dapo` weights every token equally (arXiv 2503.14476), `dr_grpo` divides by a constant (arXiv 2503.20783),
    `grpo` weights every completion equally. `epsilon` and `epsilon_high` bound the probability ratio, 0.2 and 0.28 in
    DAPO. `beta` is the weight of the KL divergence from the initial model: 0 in DAPO, Dr. GRPO and TRL, and then no
    reference is kept; 0.001 in DeepSeek-R1 (arXiv 2501.12948). `scale_rewards` divides advantages by the standard
    deviation of the group, of the batch, or by nothing (Dr. GRPO). `mask_truncated` excludes truncated completions from
    the loss (DAPO, 3.4).

    `vllm` generates completions: `auto` is `colocate` if there is a GPU and vLLM is installed, else `off`, the model in
    training itself; `server` uses the server of `trl vllm-serve` at `vllm_server`. `vllm_memory` is its share of each
    GPU beside the training. `domain` supplies the prompt for a `problem`: by default that of the model, nano or
    mathematics.
    """

    generations: Annotated[int, Field(ge=2)] = 8
    max_completion_length: Positive = 512
    temperature: Annotated[float, Field(gt=0)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    updates: Positive = 1
    beta: _NotNegative = 0.0
    epsilon: _Share = 0.2
    epsilon_high: Annotated[float, Field(gt=0)] = 0.28
    loss: Literal["dapo", "dr_grpo", "grpo"] = "dapo"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    mask_truncated: bool = False
    reward: Reward = Reward()
    domain: str | None = None
    vllm: Literal["auto", "off", "colocate", "server"] = "auto"
    vllm_server: str = "http://localhost:8000"
    vllm_memory: _Share = 0.3

    @model_validator(mode="after")
    def _buffer_fits(self) -> Grpo:
        if self.reward.buffer > self.max_completion_length:
            raise ValueError(
                f"reward.buffer is {self.reward.buffer:,} tokens, more than max_completion_length, "
                f"{self.max_completion_length:,}"
            )
        return self


def of_its_kind(table: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of `[method]` with those that its kind has; raises ValueError for keys of another kind."""
    kind, found = table.get("kind", "sft"), dict(table)
    wrong_kind = [name for name in ("dpo", "grpo") if name != kind and table.get(name) is not None]
    if wrong_kind:
        raise ValueError(f"method.{wrong_kind[0]} is for kind = {wrong_kind[0]!r}, and this method is {kind!r}")
    if kind not in ("dpo", "grpo"):
        return found
    for name, instead in _OF_SFT.items():
        if found.setdefault(name, instead) != instead:
            raise ValueError(f"{name} = {table[name]!r} is for kind = 'sft': leave it out for {kind!r}")
    found.setdefault(kind, {})
    return found


def check_rollouts(grpo: Grpo, window: int, validation: str | float) -> None:
    """Raises ValueError if completions leave no room for prompts, or if rows are held out, which rewards do not use."""
    if grpo.max_completion_length >= window:
        raise ValueError(
            f"method.grpo.max_completion_length is {grpo.max_completion_length:,}, and schedule.max_length, {window:,} "
            "tokens, is for prompt and completion together: raise it, so that prompts have room"
        )
    if validation:
        raise ValueError("data.validation is for sft and dpo; for grpo, evaluate on a benchmark (`promptcot eval`)")
