"""Types of options that many verbs have, and one decorator out of several.

Decides which paths may be addresses: what is read may, what is written may where the command has `--journal`, and
everything else has to be on this machine.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from promptcot.core.columns import Columns
from promptcot.core.columns import parse as parse_columns
from promptcot.core.shards import Shard
from promptcot.errors import UsageError
from promptcot.storage.delivery import Kind
from promptcot.storage.paths import url_of

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMELESS = re.compile(r"[a-z][a-z0-9+.-]+://*", re.IGNORECASE)
JOURNAL = "journal"
"""The option for the folder in which outputs at addresses are made; `cli.addresses` adds it."""


class LocalPath(click.Path):
    """A file or folder on this machine; `file://` is one, too."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        if text.lower().startswith("file://"):
            text = text[len("file://") :]
        if _NAMELESS.fullmatch(text):
            self.fail(f"{text!r} names no file or folder at an address", param, ctx)
        if (url := url_of(text)) is not None and (why := self._why_not(ctx)):
            self.fail(f"{url}: {why}", param, ctx)
        return super().convert(text, param, ctx)

    def _why_not(self, ctx: click.Context | None) -> str | None:
        """Why no address can be used here, if none can."""
        return "this is an address, and a path on this machine is needed here; copy it to a disk and give its path"


class Source(LocalPath):
    """A file that is read, on this machine or at an address."""

    def _why_not(self, ctx: click.Context | None) -> str | None:
        return None


class Target(LocalPath):
    """An output; at an address it is made in the folder of --journal, and copied there in the end."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind: Kind = kind

    def _why_not(self, ctx: click.Context | None) -> str | None:
        if ctx is not None and any(param.name == JOURNAL for param in ctx.command.params):
            return None
        return "this command cannot write to an address"


PATH = LocalPath()
SOURCE = Source()
TARGET = Target("file")
TARGET_FOLDER = Target("folder")
TARGET_EITHER = Target("either")
BESIDE = Target("read")
"""A file that is read, and gets results beside it."""


class Count(click.IntRange):
    """A number of things, at most as many as can be counted: `islice` and numpy take no larger one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if found > sys.maxsize:
            self.fail(f"{found} is more than can be counted", param, ctx)
        return found


COUNT = Count(min=1)
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


class ColumnNames(click.ParamType[dict[str, str]]):
    """Columns by our field, as `FIELD=COLUMN,…`."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        try:
            return parse_columns(str(value))
        except UsageError as error:
            return self.fail(str(error).partition(": ")[2], param, ctx)


columns_option = click.option(
    "--columns",
    type=ColumnNames(),
    metavar="FIELD=COLUMN,…",
    help="Which columns the fields are in, where the rows have others than those that are known: "
    "problem=question,answer=gold.",
)


def take_columns(options: Mapping[str, Any], tell: Callable[[str], None]) -> tuple[Columns, dict[str, Any]]:
    """How rows are read, and the other options; `columns` is one of them where it was given."""
    settings = {name: value for name, value in options.items() if name != "columns" or value}
    return Columns(options["columns"] or {}, tell), settings


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
