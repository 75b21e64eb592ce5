"""The reward function of a training run: `promptcot.rewards` or a user's own function, both checked.

Decides which function is called and what it may return: a finite number or None for each completion. Any other value
stops the training with an error: TRL would treat NaN as no reward, and a group without rewards gives no signal.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from promptcot.errors import InputError, PromptCoTError
from promptcot.recipe import import_path
from promptcot.rewards.trl import Reward
from promptcot.training.data.prompts import Prompts
from promptcot.training.method_recipe import Grpo

_TAKEN = {"prompt", "prompts", "completions", "answer"}
"""Names under which TRL itself passes columns."""


class CheckedReward:
    """A reward function for TRL's trainer that calls another one and checks its result. Raises InputError.

    `columns` are those of the rows, by the numbers in the data set's column `row`.
    """

    def __init__(self, function: Callable[..., Any], name: str, prompts: Prompts, *, own: bool) -> None:
        self._function, self._prompts, self._own = function, prompts, own
        self.__name__ = name  # in TRL's log

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], row: Sequence[int], **arguments: Any) -> Any:
        """The rewards of these completions."""
        columns = {name: values for name, values in self._columns(row).items() if name not in arguments}
        found = self._called({"prompts": prompts, "completions": completions, **columns, **arguments})
        return self._checked(found, row, len(completions))

    def _called(self, arguments: Mapping[str, Any]) -> Any:
        try:
            found = self._function(**arguments)
            return asyncio.run(_awaited(found)) if inspect.isawaitable(found) else found
        except PromptCoTError:
            raise
        except Exception as error:
            raise InputError(
                f"the reward {self.__name__} raised {type(error).__name__}: {error} ({_place(error)}); its arguments "
                f"are {', '.join(arguments)}"
            ) from error

    def _columns(self, numbers: Sequence[int]) -> dict[str, list[Any]]:
        """The fields of the rows, for a user's own function; `answer` is the row's own or the reader's."""
        rows = [self._prompts.rows[number] for number in numbers]
        own = [row.get("columns", {}) for row in rows]
        names = sorted({name for one in own for name in one} - _TAKEN) if self._own else []
        return {"answer": [row["answer"] for row in rows], **{name: [one.get(name) for one in own] for name in names}}

    def _checked(self, found: Any, numbers: Sequence[int], wanted: int) -> list[float | None]:
        listed = found.tolist() if hasattr(found, "tolist") else found
        if not isinstance(listed, Sequence) or isinstance(listed, str):
            raise InputError(
                f"the reward {self.__name__} returned {type(found).__name__}, which is not a list of numbers"
            )
        rewards = [value.tolist() if hasattr(value, "tolist") else value for value in listed]
        if len(rewards) != wanted:
            raise InputError(
                f"the reward {self.__name__} returned {len(rewards)} numbers for {wanted} completions: it must return "
                "one for each, in order"
            )
        for place, value in enumerate(rewards):
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
                raise InputError(
                    f"the reward {self.__name__} returned {value!r} for a completion of row "
                    f"{self._prompts.id(numbers[place])}: return a finite number, or None if the completion cannot be "
                    "scored"
                )
        return rewards


def _place(error: Exception) -> str:
    """The file and line where an error was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}, line {frame.lineno}"


async def _awaited(found: Any) -> Any:
    return await found


def reward_of(grpo: Grpo, prompts: Prompts) -> CheckedReward:
    """The reward of a recipe. Raises InputError for a missing function."""
    reward = grpo.reward
    if reward.function is not None:
        name = reward.function.rpartition(":")[2]
        return CheckedReward(import_path.load(reward.function), name, prompts, own=True)
    overlong = (grpo.max_completion_length, reward.buffer) if reward.buffer else None
    function = Reward(
        verifier=reward.verifier, limit=reward.limit, format=reward.format, unboxed=reward.unboxed, overlong=overlong
    )
    return CheckedReward(function, function.__name__, prompts, own=False)
