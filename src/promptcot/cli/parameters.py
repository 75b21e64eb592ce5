"""The types of options that many verbs share.

Decides which paths may be addresses: inputs may, outputs may if the command has `--journal`, and all others must be on
this machine. A type also says which files a value reads or writes, so that `cli.addresses` can check every verb.
"""

from __future__ import annotations

import math
import os
import re
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from promptcot.cli import known
from promptcot.core.columns import Columns
from promptcot.core.columns import parse as parse_columns
from promptcot.core.shards import Shard
from promptcot.errors import UsageError
from promptcot.grading.verifiers import SHIPPED, checked_verifier
from promptcot.storage.overlap import MODEL, RUN, Read, Written
from promptcot.storage.paths import Kind, expanded, url_of
from promptcot.storage.usable import status

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMELESS = re.compile(r"[a-z][a-z0-9+.-]+://*", re.IGNORECASE)
JOURNAL = "journal"
"""The option for the folder in which outputs at addresses are made; `cli.addresses` adds it."""


_SHIPPED = ("nano", "contest")
"""Names of shipped concepts, problems and models, which never mean a file of this name."""


class Touches:
    """The files that the value of an option or argument stands for; a base of all types of paths."""

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        """The files and folders that are read; `options` has the values of all options."""
        return iter(())

    def writes(self, value: Any) -> Iterator[Written]:
        """The outputs."""
        return iter(())


class LocalPath(click.Path, Touches):
    """A file or folder on this machine that is read (only the files `inside` a folder). It may begin with `file://`."""

    def __init__(self, inside: tuple[str, ...] = (), shown: str = "FILE") -> None:
        super().__init__(path_type=Path)
        self._inside, self._shown = inside, shown

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return self._shown if isinstance(param, click.Option) else None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        if text.lower().startswith("file://"):
            text = text[len("file://") :]
        if _NAMELESS.fullmatch(text):
            self.fail(f"{text!r} is an address without a file or folder", param, ctx)
        if not text:
            self.fail("this is empty; give the path of a file or folder", param, ctx)
        if (url := url_of(text)) is not None and (why := self._why_not(ctx)):
            self.fail(f"{url}: {why}", param, ctx)
        return super().convert(text, param, ctx)

    def _why_not(self, ctx: click.Context | None) -> str | None:
        """Why an address is refused here; None if it is allowed."""
        return "this is an address, and a path on this machine is needed here; copy it to a disk and give its path"

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        yield Read(Path(value), self._inside)


class Workplace(LocalPath):
    """The local folder for outputs at addresses. The outputs are checked instead."""

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        return iter(())


class Source(LocalPath):
    """A file that is read, on this machine or at an address."""

    def _why_not(self, ctx: click.Context | None) -> str | None:
        return None

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        if self._inside or str(value) not in _SHIPPED:
            yield Read(Path(value), self._inside)


class Target(LocalPath):
    """An output. One at an address is written in the folder of --journal, and uploaded at the end."""

    def __init__(self, kind: Kind, shown: str = "FILE") -> None:
        super().__init__(shown=shown)
        self.kind: Kind = kind

    def _why_not(self, ctx: click.Context | None) -> str | None:
        if ctx is not None and any(param.name == JOURNAL for param in ctx.command.params):
            return None
        return "this command cannot write to an address"

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        if self.kind == "read":
            yield Read(Path(value))

    def writes(self, value: Any) -> Iterator[Written]:
        yield Written.of(Path(value), self.kind)


class NewFolder(LocalPath):
    """A folder on this machine that is written once, and never read."""

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        return iter(())

    def writes(self, value: Any) -> Iterator[Written]:
        yield Written.of(Path(value), "folder")


class ExportFolder(NewFolder):
    """A folder on this machine that is replaced as a whole, with files beside it."""

    def writes(self, value: Any) -> Iterator[Written]:
        yield Written.of(Path(value), "export")


class Card(LocalPath):
    """The folder of a model, whose card is rewritten."""

    def writes(self, value: Any) -> Iterator[Written]:
        yield Written(Path(value), (Path(value) / "README.md",))


def _domains() -> Collection[str]:
    from promptcot import domains  # `--help` needs no templates

    return domains.names()


class NameOr(click.ParamType[str], Touches):
    """A shipped name, a name on the Hub, or the path of a file, or of a folder with files such as `inside`."""

    name = "text"

    def __init__(
        self,
        inside: tuple[str, ...] = (),
        names: Callable[[], Collection[str]] = tuple,
        *,
        shown: str = "NAME_OR_FILE",
        suggested: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._inside, self._names, self._shown, self._suggested = inside, names, shown, suggested

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return self._shown if isinstance(param, click.Option) else None

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The names that begin like this, and else files or folders."""
        known = sorted({*self._names(), *self._suggested()})
        found = [CompletionItem(name) for name in known if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="dir" if self._inside else "file")]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return str(value)

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        """The file or folder of this name, unless the name is shipped. Commas may separate several names."""
        for name in dict.fromkeys((value, *value.split(","))):
            path = expanded(name)
            shipped = name in _SHIPPED or name.startswith("nano:") or name in self._names()
            if name and not shipped and self._is_meant(status(path)):
                yield Read(path, self._inside)

    def _is_meant(self, found: os.stat_result | None) -> bool:
        return found is not None and stat.S_ISDIR(found.st_mode) == bool(self._inside)


RUN_FOLDER = LocalPath(RUN, "DIR")
"""The directory of a run or an evaluation, on this machine."""
WORKPLACE = Workplace(shown="DIR")
CARD = Card(MODEL, "DIR")
NEW_FOLDER = NewFolder(shown="DIR")
EXPORT_FOLDER = ExportFolder(shown="DIR")
SOURCE = Source()
SOURCE_EITHER = Source(RUN, "RUN_OR_FILE")
"""A file of rows, or the directory of a run."""
TARGET = Target("file")
TARGET_ALONE = Target("plain")
TARGET_FOLDER = Target("folder", "DIR")
TARGET_EITHER = Target("either", "DIR_OR_FILE")
BESIDE = Target("read")
"""A file that is read, and gets results beside it."""
FILE_OR_NAME = NameOr()
"""Rows or concepts, by the path of a file or by a name."""
RECIPE = NameOr(shown="RECIPE", suggested=known.recipes)
EVAL_RECIPE = NameOr(shown="RECIPE", suggested=known.eval_recipes)
TRAIN_RECIPE = NameOr(shown="RECIPE", suggested=known.train_recipes)
"""Recipes, by the path of a TOML file or by the name of a shipped one."""
BENCHMARK = NameOr(shown="NAME_OR_FILE", suggested=known.benchmarks)
MODEL_OR_NAME = NameOr(MODEL, shown="MODEL", suggested=known.models)
"""A model or tokenizer, by its folder or by a name."""
PROMPTS = NameOr(MODEL, _domains, shown="DOMAIN")
"""Prompts, by the name of their domain or by a folder."""


class Count(click.IntRange):
    """A count of at most sys.maxsize, the limit of `islice` and numpy."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if found > sys.maxsize:
            self.fail(f"{found} is too large", param, ctx)
        return found


COUNT = Count(min=1)
WHOLE = click.IntRange(min=0)


class Number(click.FloatRange):
    """A finite number within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return found


ABOVE_ZERO = Number(0, min_open=True)
NOT_NEGATIVE = Number(min=0)
SHARE = Number(0, 1)


class ShardName(click.ParamType[Shard]):
    """A shard, as `I/N`."""

    name = "shard"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        try:
            return Shard.parse(str(value))
        except UsageError as error:
            return self.fail(str(error).partition(": ")[2], param, ctx)


class ColumnNames(click.ParamType[dict[str, str]]):
    """Names of columns by field, as `FIELD=COLUMN,…`."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        try:
            return parse_columns(str(value))
        except UsageError as error:
            return self.fail(str(error).partition(": ")[2], param, ctx)


columns_option = click.option(
    "--columns",
    type=ColumnNames(),
    metavar="FIELD=COLUMN,...",
    help="Names of the input's columns, such as problem=question,answer=gold.  [default: common names are recognized]",
)


class VerifierName(click.ParamType[str]):
    """The name of a verifier, or the import path of a Python object."""

    name = "verifier"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(SHIPPED)}|MODULE:NAME]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return checked_verifier(str(value))
        except ValueError as error:
            return self.fail(str(error), param, ctx)


verifier_option = click.option(
    "--verifier",
    type=VerifierName(),
    help="How answers are compared with the gold answer.  [default: the benchmark's, else the domain's, else "
    "mathematics]",
)


_TOLD_IF_GIVEN = ("columns", "verifier")


def take_columns(options: Mapping[str, Any], tell: Callable[[str], None]) -> tuple[Columns, dict[str, Any]]:
    """The columns, and the other options, which include `columns` and `verifier` only if they were given."""
    settings = {name: value for name, value in options.items() if name not in _TOLD_IF_GIVEN or value}
    return Columns(options["columns"] or {}, tell), settings


shard_option = click.option(
    "--shard",
    type=ShardName(),
    metavar="I/N",
    help="Process only part I of N of the input. `promptcot merge` joins the outputs of all N parts.  "
    "[default: all rows]",
)


def together(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """One decorator that adds all of these options, in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def changes_option(
    help: str = "Override one key of the recipe.",
) -> Callable[[Command], Command]:
    """`--set`, for changes of a recipe."""
    return click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="SECTION.KEY=VALUE",
        shell_complete=_complete_change,
        help=help,
    )


def _complete_change(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from promptcot.cli.recipe_keys import complete_change  # imports the schemas of all recipes

    return complete_change(ctx, param, incomplete)
