"""The keys of preferences and rewards: which keys each method has, and when there is nothing to learn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from promptcot.errors import RecipeError
from promptcot.recipe.loading import parse_as
from promptcot.training.recipe import TrainRecipe
from promptcot.training.report.learning import LearningWatcher, nothing_to_learn


def recipe(method: dict[str, Any], **more: Any) -> TrainRecipe:
    table = {"model": {"path": "nano:solver"}, "data": {"path": "rows.jsonl"}, "method": method, **more}
    return parse_as(TrainRecipe, table, "recipe")


@pytest.mark.parametrize(
    ("method", "more", "words"),
    [
        ({"kind": "dpo", "packing": True}, {}, "packing = True is for kind = 'sft': leave it out for 'dpo'"),
        ({"kind": "grpo", "overlong": "cut"}, {}, "overlong = 'cut' is for kind = 'sft'"),
        ({"kind": "sft", "dpo": {"beta": 0.2}}, {}, "method.dpo is for kind = 'dpo', and this method is 'sft'"),
        ({"kind": "dpo", "grpo": {}}, {}, "method.grpo is for kind = 'grpo'"),
        ({"kind": "dpo", "dpo": {"loss": "ipo", "label_smoothing": 0.1}}, {}, "label_smoothing is for the losses"),
        ({"kind": "grpo", "grpo": {"generations": 1}}, {}, "greater than or equal to 2"),
        ({"kind": "grpo", "grpo": {"reward": {"buffer": 1000}}}, {}, "more than max_completion_length, 512"),
        ({"kind": "grpo"}, {"schedule": {"max_length": 512}}, "so that prompts have room"),
        (
            {"kind": "grpo"},
            {"data": {"path": "rows.jsonl", "validation": 0.1}},
            "data.validation is for sft and dpo",
        ),
        (
            {"kind": "grpo"},
            {"data": {"path": "rows.jsonl", "without_reasoning": "drop"}},
            "data.without_reasoning is not for method.kind = 'grpo': leave it out",
        ),
        ({"kind": "dpo"}, {"data": {"path": "rows.jsonl", "loss": "assistant"}}, "is not for method.kind = 'dpo'"),
        ({"kind": "dpo"}, {"schedule": {"step_by": "rows"}}, "step_by = \"rows\" is not for method.kind = 'dpo'"),
        (
            {"kind": "dpo"},
            {"data": {"mix": [{"path": "rows.jsonl", "weight": 1.0}]}},
            "data.mix is not for method.kind = 'dpo'",
        ),
    ],
)
def test_keys_of_another_method_and_values_that_mean_nothing_are_refused(
    method: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        recipe(method, **more)


@pytest.mark.parametrize("kind", ["sft", "dpo", "grpo"])
def test_a_recipe_that_is_written_down_is_read_as_the_same(kind: str) -> None:
    one = recipe({"kind": kind})
    assert TrainRecipe.model_validate(one.model_dump(exclude_none=True)) == one
    assert one.method.packing == (kind == "sft")


def logged(equal: float, cut: float = 0.0, **reasons: float) -> dict[str, float]:
    return {
        "frac_reward_zero_std": equal,
        "completions/clipped_ratio": cut,
        **{f"reason/{reason}": share for reason, share in reasons.items()},
    }


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([logged(1, right=1.0, wrong=0.0)] * 3, "100% of them are right: use harder problems"),
        ([logged(1, 0.9, right=0.0, truncated=0.9, wrong=0.1)], "90% of them are cut off: raise method.grpo.max_"),
        ([logged(1, right=0.0, no_answer=1.0)], "100% of them give no answer in a box"),
        ([logged(1, right=0.0, wrong=1.0)], "0% of them are right, most are wrong: use easier problems"),
        ([logged(1, right=0.0, gold_unreadable=1.0)], "The golds cannot be read"),
        ([{"frac_reward_zero_std": 0.0, "reward": float("nan")}] * 2, "no completion got a reward"),
        ([{"frac_reward_zero_std": 1.0}], "The reward function of this recipe gives all completions the same"),
    ],
)
def test_equal_rewards_are_reported_with_the_way_out(lines: list[dict[str, float]], words: str) -> None:
    assert words in (nothing_to_learn(lines, recipe({"kind": "grpo"})) or "")


def test_one_group_with_two_rewards_is_something_to_learn() -> None:
    assert nothing_to_learn([logged(1, right=1.0), logged(0.9, right=1.0)], recipe({"kind": "grpo"})) is None


def test_it_is_said_after_the_last_step_too_though_that_one_drew_no_completions() -> None:
    said: list[str] = []
    watcher = LearningWatcher(recipe({"kind": "grpo", "grpo": {"updates": 2}}), said.append)
    for step, line in enumerate([logged(1, right=1.0, wrong=0.0), {"loss": 0.0}], 1):
        state = SimpleNamespace(global_step=step, max_steps=2, is_world_process_zero=True)
        watcher.on_log(None, state, None, logs=line)
    assert len(said) == 1
