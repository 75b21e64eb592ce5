"""The message for a command line that cannot be run: the mistake, and where help is.

click finds the mistakes; decides their wording, and suggests what may have been meant.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping

import click

_EXTRA = re.compile(r"Got unexpected extra arguments? \((.*)\)", re.DOTALL)
_KINDS = {"integer range": "integer", "float range": "number", "float": "number"}
"""Our name for each type of number, by click's name for it."""


def explained(error: click.ClickException, command: str) -> str:
    """The mistake and the command that shows the help, in one line. `command` is the words before the options."""
    context = getattr(error, "ctx", None)
    words = next((say for kind, say in _WORDS.items() if isinstance(error, kind)), _other)(error).strip().rstrip(".")
    see = " See" if words.endswith("?") else "; see"
    return f"{words}{see} `{context.command_path if context else command} --help`"


def meant(typed: str, known: Iterable[str], least: float = 0.6) -> str:
    """`; did you mean NAME?`, or nothing where no name is similar. `least` is the least similarity, from 0 to 1."""
    near = difflib.get_close_matches(typed, list(known), 1, least)
    return f"; did you mean {near[0]}?" if near else ""


def _other(error: click.ClickException) -> str:
    words = error.format_message()
    extra = _EXTRA.fullmatch(words.rstrip("."))
    return f"unexpected argument {extra[1]}" if extra else words


def _no_help(error: click.exceptions.NoArgsIsHelpError) -> str:
    return "a verb is missing" if error.ctx.parent is None else "a command is missing"


def _no_command(error: click.exceptions.NoSuchCommand) -> str:
    group = error.ctx.command if error.ctx else None
    known = list(group.commands) if isinstance(group, click.Group) else []
    hint = meant(error.command_name, known) or f"; the commands are {', '.join(known)}"
    return f"there is no command {error.command_name!r}{hint}"


def _no_option(error: click.exceptions.NoSuchOption) -> str:
    words, context = f"there is no option {error.option_name}", error.ctx
    if context is None:
        return words
    is_group = isinstance(context.command, click.Group)
    if error.option_name in _names(context.find_root()) and context.parent:
        return f"{words} after the verb; write {context.find_root().command_path} {error.option_name}"
    near = meant(error.option_name, _names(context), 0.8 if is_group else 0.6)
    if near or not is_group:
        return f"{words}{near}"
    what = "command" if context.parent else "verb"
    return f"{words} before the {what}; write the options of a {what} after it"


def _names(context: click.Context) -> list[str]:
    params = context.command.get_params(context)
    return [name for param in params for name in (*param.opts, *param.secondary_opts) if name.startswith("-")]


def _wrong_use(error: click.exceptions.BadOptionUsage) -> str:
    words, name = error.format_message(), error.option_name
    if "does not take a value" in words:
        return f"{name} takes no value"
    number = re.search(r"requires (\d+) arguments", words)
    return f"{name} needs {number[1] if number else 'a'} value{'s' if number else ''}"


def _missing(error: click.MissingParameter) -> str:
    return f"{_named(error)} is missing"


def _bad_value(error: click.BadParameter) -> str:
    words = error.message.strip().rstrip(".")
    for name, kind in _KINDS.items():
        words = words.replace(f"is not a valid {name}", f"is not a valid {kind}")
    words = re.sub(r"is not a valid boolean\b.*", "is neither true nor false", words, flags=re.DOTALL)
    choices = getattr(error.param and error.param.type, "choices", ())
    typed = re.match(r"'(.*)' is not one of ", words, re.DOTALL)
    return f"{_named(error)}: {words}{meant(typed[1], map(str, choices)) if typed else ''}"


def _named(error: click.BadParameter) -> str:
    """The option, or the argument as help names it."""
    if isinstance(error.param, click.Option):
        return max(error.param.opts, key=len)
    return error.param.human_readable_name.partition(" ")[0] if error.param else str(error.param_hint or "a value")


_WORDS: Mapping[type[click.ClickException], Callable[..., str]] = {
    click.exceptions.NoArgsIsHelpError: _no_help,
    click.exceptions.NoSuchCommand: _no_command,
    click.exceptions.NoSuchOption: _no_option,
    click.exceptions.BadOptionUsage: _wrong_use,
    click.MissingParameter: _missing,
    click.BadParameter: _bad_value,
}
"""The wording of each kind of mistake. The first kind that fits counts, so a subclass comes before its base."""
