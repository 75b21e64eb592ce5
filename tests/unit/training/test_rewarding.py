"""Custom reward functions: their arguments, and results that stop a training with an error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptcot.errors import InputError
from promptcot.training.data.prompts import Prompts
from promptcot.training.rewarding import CheckedReward

ROWS = [{"id": name, "prompt": "1\n", "ids": [1], "answer": "2", "columns": {"id": name, "level": 5}} for name in "ab"]


def given(function: Callable[..., Any]) -> Any:
    """What the function makes of two completions, of the rows a and b."""
    prompts = Prompts(ROWS, {}, [], Path("prompts.json"), {})
    return CheckedReward(function, "mine", prompts, own=True)(["1\n", "1\n"], ["2", "3"], [0, 1])


async def later(completions: list[str], **_: Any) -> list[float]:
    return [1.0 for _ in completions]


@pytest.mark.parametrize(
    ("function", "rewards"),
    [
        (lambda completions, level, id, answer, **_: level, [5, 5]),
        (lambda answer, **_: [float(one) for one in answer], [2.0, 2.0]),
        (lambda **_: [None, 1], [None, 1]),
        (lambda **_: (True, 0.5), [True, 0.5]),
        (lambda **_: np.array([0.5, 1]), [0.5, 1]),
        (lambda **_: [np.float32(0.5), np.int64(1)], [0.5, 1]),
        (later, [1.0, 1.0]),
    ],
)
def test_a_number_or_none_for_each_completion_is_taken(function: Callable[..., Any], rewards: list[Any]) -> None:
    assert given(function) == rewards


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda **_: None, "returned NoneType, which is not a list of numbers"),
        (lambda **_: {"a": 1, "b": 2}, "returned dict, which is not a list of numbers"),
        (lambda **_: "12", "returned str, which is not a list of numbers"),
        (lambda **_: np.float64(1), "returned float64, which is not a list of numbers"),
        (lambda **_: (1.0 for _ in "ab"), "returned generator, which is not a list of numbers"),
        (lambda **_: [1.0], "returned 1 numbers for 2 completions"),
        (lambda **_: [0.0, float("nan")], "returned nan for a completion of row b"),
        (lambda **_: [float("-inf"), 0.0], "returned -inf for a completion of row a"),
        (lambda **_: ["1", "1"], "returned '1' for a completion of row a"),
        (lambda **_: np.zeros((2, 2)), r"returned \[0.0, 0.0\] for a completion of row a"),
        (
            lambda level, **_: level["x"],
            r"raised TypeError: .*test_rewarding.py, line \d+\); its arguments are prompts, ",
        ),
        (
            lambda gold, **_: gold,
            "raised TypeError: .*'gold'.*; its arguments are prompts, completions, answer, id, level",
        ),
    ],
)
def test_anything_else_stops_by_name(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(InputError, match=f"the reward mine {words}"):
        given(function)
