"""How `--help` looks: options grouped by purpose, an example at the end, and no word broken at any width.

Decides headings, layout and the notes after an option's text (default, range, whether it is required or may be
repeated). The texts are declared with the options. A verb is declared with `verb`, a verb with verbs of its own with
`VerbGroup`; everything else is click's. Built on click's own formatter: rich-click would load every verb to list them,
and folds long words in its columns.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from promptcot.cli.report.streams import is_styled

_FIRST = "Input and output"
GROUPS: Mapping[str, Sequence[str]] = {
    _FIRST: (
        *("data_path", "data_paths", "sources", "predictions", "template", "output_path", "output_dir", "output"),
        *("journal", "columns", "limit_rows"),
    ),
    "Prompts": ("domain", "prompt_like", "levels", "style"),
    "Model and server": (
        *("model_path", "annotators", "model", "tokenizer_path", "dtype", "engine", "engine_args", "n_gpus"),
        *("base_url", "api_key_env", "concurrency", "requests_per_minute", "tokens_per_minute", "idle_timeout"),
        *("queue_timeout", "omit", "extra_body", "batch_size"),
    ),
    "Sampling": (
        *("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "stop", "max_len"),
        *("use_chat_template", "seed"),
    ),
    "Cost": ("price", "max_cost"),
    "Answers": ("verifier", "unboxed", "limit", "workers"),
    "Several machines": (
        *("shard", "runner", "ray_address", "actors", "gpus_per_actor", "nodes_per_actor", "ray_wait", "server_ports"),
    ),
    "Upload": ("push", "public", "replace"),
    "How it runs": (
        "changes",
        "processes",
        "max_retries",
        "keep_going",
        "strict",
        "partial",
        "yes",
        "dry_run",
        "json",
        "help",
    ),
}
"""The parameters under each heading, the same for every verb, except for parameters that one of the verb's own groups
lists. The verb's own groups come after the first heading."""
SHELLS, YOURS = ("bash", "zsh", "fish"), "auto"
"""The supported shells, and the name for the shell in use."""
COMPLETING = "_PROMPTCOT_COMPLETE"
"""The environment variable with which the script of a shell asks for completions."""
_OWN = "Options"
"""The heading of options without a group."""

_GLUE = "\u00a0"
"""A space at which lines are not broken."""
_MAX_WIDTH, _WITHOUT_TERMINAL, _LEAST = 110, 100, 30
_ROOM_FOR_TWO_COLUMNS = 60
_LONGEST_TERM, _WHOLE = 28, 1000
_PLAIN = {"INTEGER RANGE": "N", "FLOAT RANGE": "X", "FLOAT": "X", "INTEGER": "N"}
_DEFAULT = re.compile(r"\s*\[default: (.*)\]$", re.DOTALL)


class Formatter(click.HelpFormatter):
    """Help in the width of the terminal, wrapped between words only; 100 columns where there is no terminal."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = shutil.get_terminal_size((_WITHOUT_TERMINAL, 24)).columns
        super().__init__(indent_increment, width or max(min(columns, max_width or _MAX_WIDTH), _LEAST))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how the command is called."""
        self._write(f"{prog} {args}", prefix or "Usage: ", "  ")

    def write_heading(self, heading: str) -> None:
        """Write a heading, which stands out on a terminal that may show colours."""
        shown = click.style(f"{heading}:", bold=True) if is_styled() else f"{heading}:"
        self.write(f"{'':{self.current_indent}}{shown}\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs, each wrapped; one that begins with \\b keeps its lines."""
        indent = " " * self.current_indent
        for number, paragraph in enumerate(re.split(r"\n\s*\n", text.strip())):
            self.write("\n" * bool(number))
            if paragraph.startswith("\b"):
                self.write(textwrap.indent(paragraph.lstrip("\b\n"), indent) + "\n")
            else:
                self._write(paragraph, indent, indent)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = _LONGEST_TERM, col_spacing: int = 2) -> None:
        """Write terms and what they mean in two columns; a term that is too long has lines of its own, and in a narrow
        terminal every term.
        """
        rows, indent = list(rows), self.current_indent
        col_max = col_max if self.width >= _ROOM_FOR_TWO_COLUMNS else 0
        column = min(max((len(term) for term, _ in rows), default=0), col_max) + col_spacing
        for term, meaning in rows:
            start = f"{'':{indent}}{term:<{column}}"
            if len(term) > col_max:
                self._write(term, " " * indent, " " * (indent + 4))
                start = " " * (indent + column)
            self._write(meaning, start, " " * (indent + column))

    def _write(self, text: str, first: str, others: str) -> None:
        lines = textwrap.wrap(
            " ".join(text.split()),
            self.width,
            initial_indent=first,
            subsequent_indent=others,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.write("\n".join(lines or [first.rstrip()]).replace(_GLUE, " ") + "\n")


class Context(click.Context):
    """A context whose help is laid out here."""

    formatter_class = Formatter


class Verb(click.Command):
    """A command with grouped options and an example. `groups` has names of parameters by heading."""

    context_class = Context

    def __init__(
        self, *args: Any, example: str = "", groups: Mapping[str, Sequence[str]] | None = None, **given: Any
    ) -> None:
        super().__init__(*args, **given)
        self.example, self.groups = example, groups or {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under its heading."""
        for heading, params in grouped(self.get_params(ctx), self.groups).items():
            with formatter.section(heading):
                formatter.write_dl([record(param, ctx) for param in params])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        write_example(formatter, self.example)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completions; an option that is typed with underscores is completed with underscores."""
        return in_its_spelling(super().shell_complete, ctx, incomplete)


class VerbGroup(click.Group):
    """A verb with verbs of its own, such as `promptcot nano path`."""

    context_class = Context
    command_class = Verb

    def __init__(self, *args: Any, example: str = "", **given: Any) -> None:
        super().__init__(*args, **given)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        write_example(formatter, self.example)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, each with its first sentence."""
        found = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(_WHOLE)) for name, one in found.items() if one])

    def completions(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completions, spelled with dashes."""
        return super().shell_complete(ctx, incomplete)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completions; words typed with underscores are completed with underscores."""
        return in_its_spelling(self.completions, ctx, incomplete)


def verb(
    name: str, *, example: str, groups: Mapping[str, Sequence[str]] | None = None
) -> Callable[[Callable[..., Any]], Verb]:
    """Declare a verb: its example, a whole command line that works, and headings for options that only it has."""
    return click.command(name, cls=Verb, example=example, groups=groups)


class Switch(click.Option):
    """`--name` and `--no-name`; as the public scripts allow, also `--name True` and `--name false`."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **{**given, "is_flag": False, "flag_value": True, "type": bool})
        self.secondary_opts = [f"--no-{self.opts[0].removeprefix('--')}"]

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Add both spellings."""
        super().add_to_parser(parser, ctx)
        parser.add_option(self, self.secondary_opts, dest=self.name, action="store_const", const=False)


def grouped(params: Sequence[click.Parameter], own: Mapping[str, Sequence[str]]) -> dict[str, list[click.Option]]:
    """The options that help shows, by heading, in the order in which they are shown."""
    shown = {_name(one): one for one in params if isinstance(one, click.Option) and not one.hidden}
    known = {name for names in (*own.values(), *GROUPS.values()) for name in names}
    rest = [name for name in shown if name not in known]
    found: dict[str, list[click.Option]] = {heading: [] for heading in (_FIRST, *own, _OWN)}
    for heading, names in (*own.items(), (_OWN, rest), *GROUPS.items()):
        found.setdefault(heading, []).extend(shown.pop(name) for name in names if name in shown)
    return {heading: options for heading, options in found.items() if options}


def _name(option: click.Option) -> str:
    """The name of a parameter; that of click's own `--help` is not fixed."""
    return "help" if "--help" in option.opts else str(option.name)


def record(option: click.Option, ctx: click.Context) -> tuple[str, str]:
    """The names of an option with its metavar, and its text with notes on its value in brackets."""
    names = ", ".join(sorted(option.opts, key=len))
    if option.secondary_opts:
        return f"{names} / {', '.join(option.secondary_opts)}", _described(option, ctx)
    return f"{names} {metavar(option, ctx)}".rstrip(), _described(option, ctx)


def metavar(option: click.Option, ctx: click.Context) -> str:
    """The metavar of an option; empty for a flag."""
    if option.is_flag or option.count or option.secondary_opts:
        return ""
    found = option.make_metavar(ctx)
    return _PLAIN.get(found, found)


def _described(option: click.Option, ctx: click.Context) -> str:
    text = option.help or ""
    notes = "; ".join(_notes(option, ctx, _DEFAULT.search(text)))
    return _DEFAULT.sub("", text) + (f" [{notes}]" if notes else "")


def _notes(option: click.Option, ctx: click.Context, written: re.Match[str] | None) -> Iterator[str]:
    extra = option.get_help_extra(ctx)
    if option.required:
        yield "required"
    elif written is not None:
        yield f"default:{_GLUE}{written[1]}"
    elif option.secondary_opts:
        yield f"default:{_GLUE}{(option.opts if option.default else option.secondary_opts)[0].removeprefix('--')}"
    elif "default" in extra:
        yield f"default:{_GLUE}{extra['default']}"
    elif metavar(option, ctx):
        yield f"default:{_GLUE}none"
    if "<" in (bounds := extra.get("range", "")):  # for a count, "at least 1" is obvious
        yield bounds.replace("x", metavar(option, ctx))
    if option.multiple:
        yield "may be repeated"


def write_example(formatter: click.HelpFormatter, example: str) -> None:
    """Write a command line, in lines that a shell reads as one; nothing where it is empty."""
    if not example:
        return
    with formatter.section("Example"):
        room = formatter.width - formatter.current_indent - 2
        glued = re.sub(r"(--\S+) (?!-)", rf"\1{_GLUE}", example)
        lines = textwrap.wrap(glued, room, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        text = textwrap.indent(" \\\n".join(lines), " " * formatter.current_indent)
        formatter.write(text.replace(_GLUE, " ") + "\n")


def in_its_spelling(
    complete: Callable[[click.Context, str], list[CompletionItem]], ctx: click.Context, incomplete: str
) -> list[CompletionItem]:
    """Completions of an option or a verb, with underscores if the typed word has some."""
    if "_" not in incomplete or "=" in incomplete:
        return complete(ctx, incomplete)
    found = complete(ctx, incomplete.replace("_", "-"))
    for item in found:
        item.value = re.sub(r"(?<=[^-])-", "_", item.value) if item.type == "plain" else item.value
    return found
