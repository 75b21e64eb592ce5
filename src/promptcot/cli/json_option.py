"""`--json`, which every verb has: one object on standard output that says what the command did (docs/json.md)."""

from __future__ import annotations

import click

from promptcot.cli.report.result import RESULT

_NAME = "--json"
_HELP = "Print one JSON object with the results to standard output, and all text to standard error (docs/json.md)."


def with_json(command: click.Command) -> click.Command:
    """The command itself, or the commands of a group, with the option."""
    if isinstance(command, click.Group):
        for one in command.commands.values():
            with_json(one)
    elif not any(_NAME in param.opts for param in command.params):
        command.params.append(click.Option([_NAME], is_flag=True, expose_value=False, callback=_want, help=_HELP))
    return command


def _want(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Not eager: `--help` stays text."""
    if value:
        RESULT.want(ctx.command_path.partition(" ")[2], ctx.params)


def typed_in(arguments: list[str]) -> bool:
    """Whether a command line asks for JSON that could not be parsed so far that the option was reached."""
    return _NAME in arguments[: arguments.index("--")] if "--" in arguments else _NAME in arguments
