"""Types of options that many verbs have, and one decorator out of several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from promptcot.core.shards import Shard
from promptcot.errors import UsageError

Command = TypeVar("Command", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
COUNT = click.IntRange(min=1)
WHOLE = click.IntRange(min=0)
ABOVE_ZERO = click.FloatRange(0, min_open=True)
NOT_NEGATIVE = click.FloatRange(min=0)
SHARE = click.FloatRange(0, 1)


class ShardName(click.ParamType[Shard]):
    """A shard, as `I/N`."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        try:
            return Shard.parse(str(value))
        except UsageError as error:
            return self.fail(str(error).partition(": ")[2], param, ctx)


shard_option = click.option(
    "--shard",
    type=ShardName(),
    metavar="I/N",
    help="Take only the rows of part I of N; N drivers do the whole, and `promptcot merge` joins what they wrote.",
)


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """One decorator that adds all of these options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def changes_option(help: str = "Change one key of the recipe; may be repeated.") -> Callable[[Command], Command]:
    """`--set`, for changes of a recipe."""
    return click.option("--set", "changes", multiple=True, metavar="A.B=V", help=help)
