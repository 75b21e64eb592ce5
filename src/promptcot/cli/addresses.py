"""Checks the paths of every command before it begins, and delivers outputs to addresses.

A verb declares which of its options are inputs and outputs (`parameters.SOURCE`, `TARGET` and others). It can then rely
on this: no output is an input, and all paths are on this machine. `storage.overlap` decides which paths are the same
file, and `storage.delivery` which addresses are valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from promptcot.cli.parameters import JOURNAL, WORKPLACE, Target, Touches
from promptcot.cli.report.console import say
from promptcot.cli.report.result import RESULT
from promptcot.errors import UsageError
from promptcot.storage.delivery import Delivery
from promptcot.storage.overlap import Read, Written, check_paths
from promptcot.storage.paths import Kind, url_of

_WELL = (0, 3)
"""Exit codes of commands that have written a result."""
_MAIN = ("output_path", "output_dir")
_HELP = (
    "Required when the output is at an address (s3://, gs://, hdfs://): a local directory, on a disk that outlives the "
    "job, in which the output and its journal are written. The output is uploaded when the command succeeds."
)


_READY = "promptcot.paths"
"""Marks a callback that is already wrapped, because a verb can be looked up more than once."""


def with_addresses(command: click.Command) -> click.Command:
    """The same command, which now checks its paths and accepts addresses for outputs; also every command of a group."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            with_addresses(one)
        return command
    if command.callback is None or getattr(command.callback, _READY, False):
        return command
    kinds = {str(param.name): param.type.kind for param in command.params if isinstance(param.type, Target)}
    command.callback = _checking(command.callback, list(command.params))
    if kinds:
        command.params.append(click.Option([f"--{JOURNAL}"], type=WORKPLACE, metavar="DIR", help=_HELP))
        command.callback = _delivering(command.callback, kinds)
    setattr(command.callback, _READY, True)
    return command


def _checking(callback: Callable[..., Any], params: Sequence[click.Parameter]) -> Callable[..., Any]:
    """The callback of a command, with a check that no output is an input. Raises UsageError, InputError."""

    def call(**options: Any) -> Any:
        check_paths(*touched(params, options))
        return callback(**options)

    return call


def touched(params: Iterable[click.Parameter], options: Mapping[str, Any]) -> tuple[list[Read], list[Written]]:
    """What a command with these parameters reads and writes, given the values of its options."""
    types = {str(param.name): param.type for param in params if isinstance(param.type, Touches)}
    given = [(kind, value) for name, kind in types.items() for value in _flat(options[name]) if value is not None]
    reads = [read for kind, value in given for read in kind.reads(value, options)]
    return reads, [written for kind, value in given for written in kind.writes(value)]


def _delivering(callback: Callable[..., Any], kinds: Mapping[str, Kind]) -> Callable[..., Any]:
    """The callback of a command, called with local paths for its outputs."""

    def call(**options: Any) -> Any:
        journal = options.pop(JOURNAL)
        names = sorted(kinds, key=lambda name: name in _MAIN)  # the output itself is copied last
        deliveries = {name: _of(options[name], journal, kinds[name]) for name in names}
        found = [one for name in names for one in deliveries[name].values()]
        if not found:
            if journal is not None:
                raise UsageError(
                    "--journal is for outputs at addresses, such as s3://; an output on this machine has its journal "
                    "beside it already"
                )
            return callback(**options)
        _check(found, options, kinds)
        given = {name: _replaced(options[name], deliveries[name]) for name in names}
        if options.get("dry_run"):
            return callback(**{**options, **given})
        return _deliver(found, lambda: callback(**{**options, **given}))

    return call


def _deliver(deliveries: Sequence[Delivery], work: Callable[[], Any]) -> Any:
    with ExitStack() as held:
        for one in deliveries:
            held.enter_context(one.held())
        for one in deliveries:
            one.prepare()
        code = work()
        for one in deliveries:
            if (code or 0) not in _WELL:
                say(f"not copied: {one.url}; the results are in {one.made}")
                continue
            one.send()
            RESULT.append("copied", one.url)
            say(f"copied:  {one.url}" if one.kind != "read" else f"copied:  the new files, beside {one.url}")
        return code


def _of(value: Any, journal: Path | None, kind: Kind) -> dict[Path, Delivery]:
    """The deliveries of an option's value, or values, by path. Raises UsageError."""
    found = {path: Delivery.of(path, journal, kind) for path in _flat(value) if isinstance(path, Path)}
    return {path: one for path, one in found.items() if one is not None}


def _replaced(value: Any, deliveries: Mapping[Path, Delivery]) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_replaced(part, deliveries) for part in value)
    return deliveries[value].made if value in deliveries else value


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _flat(part)
    else:
        yield value


def _check(deliveries: Iterable[Delivery], options: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Raises UsageError where outputs would be made in one place, or replace what is read."""
    made: dict[Path, str] = {}
    values = (str(one) for name, value in options.items() if name not in kinds for one in _flat(value))
    read = {url for value in values if (url := url_of(value)) is not None}
    for one in deliveries:
        if one.made in made:
            raise UsageError(f"{made[one.made]} and {one.url} have the same name; give each a name of its own")
        made[one.made] = one.url
        if replaced := sorted(read & set(one.written)):
            raise UsageError(f"{replaced[0]}: this file would be replaced by the output; choose another output")
