"""The verbs, and the exit code of the process."""

from __future__ import annotations

import errno
import gc
import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from promptcot import __version__
from promptcot.cli import say_interrupted
from promptcot.cli.help import COMPLETING, SHELLS, YOURS, VerbGroup
from promptcot.cli.json_option import typed_in, with_json
from promptcot.cli.report.console import complain, say_all
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.streams import STREAMS
from promptcot.cli.report.usage import explained, meant
from promptcot.errors import PromptCoTError
from promptcot.interruption import INTERRUPTED, handled
from promptcot.storage.provenance import commanded

# With Python's default thresholds, garbage collection took a fifth of the CPU with thousands of rows in flight.
_RARELY = (20_000, 20, 20)

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Make problems": {
        "run": "Run the whole pipeline, from concepts to a finished set of problems.",
        "init": "Create a folder for a new domain: prompts, criteria, concepts, a recipe.",
        "extract": "Have models name the concepts that problems rest on.",
        "explain": "Have models write the rationale that leads from concepts to each problem.",
        "train-rows": "Make training rows for a problem generator from annotated problems.",
        "encode": "Compute embeddings of concepts.",
        "sample": "Sample combinations of concepts that belong together.",
        "generate": "Have a model write a rationale and a problem for each combination.",
        "judge": "Have a model rate problems.",
        "filter": "Keep the problems that the judges rate perfect.",
    },
    "Turn problems into a set": {
        "verify": "Keep the problems that a model votes to be well-posed.",
        "dedup": "Remove near-duplicate problems.",
        "decontaminate": "Remove problems that occur in a benchmark.",
        "solve": "Have a model solve each problem n times.",
        "label": "Label problems with the answer that their traces agree on.",
        "select": "Choose labelled problems by pass rate, level and concepts.",
    },
    "Export, train and evaluate": {
        "export": "Write a set in the format of a trainer, and check or upload it.",
        "train": "Train a generator or a solver.",
        "eval": "Solve and grade benchmarks, and compare the results with published ones.",
        "grade": "Grade predictions: accuracy, pass@k and majority@k, with intervals.",
        "chain": "Run single steps of chains, such as distill-nano.",
    },
    "Look at results": {
        "report": "Write a run as one HTML page, or compare two runs.",
        "view": "Search, read and review the problems of a run in a browser.",
        "show": "Print the history of one problem, or an overview of a run.",
        "measure": "Measure a set of problems, or compare two.",
    },
    "Plan, check and clean up": {
        "plan": "Estimate GPU-hours, storage, time and cost of a number of problems.",
        "doctor": "Check whether a run would work here: machine, servers and models.",
        "merge": "Merge the outputs of several machines, which ran with --shard.",
        "clean": "Remove the journals and work files of a finished run.",
        "mock-server": "Serve synthetic replies over the OpenAI API, for tests.",
        "nano": "Find the embedded nano models, and check a run of them exactly.",
    },
}
"""Every verb by purpose, with its line in the list of verbs. The module of a verb has the same name."""
VERBS = {verb: line for verbs in GROUPS.values() for verb, line in verbs.items()}

_FILES = {"report": "report_run"}
"""Verbs whose module has another name: `cli.report` is the package for printed text."""
COMMANDS = {"chain": ("fresh", "mismatch", "students", "generators"), "nano": ("path", "check")}
"""The commands of verbs that are groups."""
_INTERRUPTED = "the command was interrupted; the same command resumes it"


def _dashes(token: str) -> str:
    """Options and verbs may be typed with underscores."""
    return token.replace("_", "-")


class _Verbs(VerbGroup):
    """A group whose commands are imported when they are chosen."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = _dashes(cmd_name)
        if verb not in VERBS:
            return None
        from promptcot.cli.addresses import with_addresses  # not needed for `--help`

        module = _FILES.get(verb, verb.replace("-", "_"))
        command: click.Command = importlib.import_module(f"promptcot.cli.{module}").command
        return with_json(with_addresses(command))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verb = _dashes(args[0])
        if verb not in VERBS and not verb.startswith("-") and not ctx.resilient_parsing:
            hint = meant(verb, VERBS) or f"; the verbs are {', '.join(VERBS)}"
            raise click.UsageError(f"there is no verb {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, VERBS))
        for heading, verbs in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{verb:<{width}}", line) for verb, line in verbs.items()])

    def completions(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs and options; no verb is imported for it, as click would do."""
        verbs = [CompletionItem(verb, help=line) for verb, line in VERBS.items() if verb.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)


def _show(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell is not None and not ctx.resilient_parsing:
        from promptcot.cli.completion import script

        say_all(script(root, shell).splitlines())
        ctx.exit()


def _install(ctx: click.Context, _: click.Parameter, shell: str | None) -> None:
    if shell is not None and not ctx.resilient_parsing:
        from promptcot.cli.completion import install

        say_all(install(root, shell))
        ctx.exit()


def _completion(name: str, act: Callable[..., None], help: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option with an optional shell that does its work and ends the command."""
    return click.option(
        name,
        type=click.Choice([YOURS, *SHELLS]),
        metavar=f"[{'|'.join(SHELLS)}]",
        is_flag=False,
        flag_value=YOURS,
        is_eager=True,
        expose_value=False,
        callback=act,
        help=f"{help}  [default: your shell]",
    )


@click.group(
    cls=_Verbs,
    context_settings={"token_normalize_func": _dashes, "help_option_names": ["-h", "--help"], "max_content_width": 110},
    subcommand_metavar="VERB ...",
    example="promptcot run",
)
@click.version_option(__version__, prog_name="promptcot")
@_completion("--install-completion", _install, "Install completion of verbs, options and names for a shell.")
@_completion("--show-completion", _show, "Print the completion script for a shell.")
def root() -> None:
    """Make hard, correct problems at any scale: sample concepts, write problems, have them judged, and keep those that
    all judges rate perfect. Then turn them into a set of well-posed problems without copies, with answers, and of the
    difficulty that you choose.

    Start with `promptcot run`, which needs no model, GPU or network. `promptcot VERB --help` explains a verb. Inputs
    and outputs may be remote (s3://, gs://, hdfs://); a remote output needs a local --journal DIR.
    """


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    gc.set_threshold(*_RARELY)
    STREAMS.begin()
    RESULT.begin()
    with commanded(arguments):
        try:
            code = _run(arguments)
        except Exception as error:
            RESULT.fail(type(error).__name__, str(error))
            _emit(1, arguments)
            raise
        _emit(code, arguments)
        return STREAMS.end(code)


def _run(arguments: list[str]) -> int:
    """Run the command; returns its exit code."""
    if COMPLETING in os.environ:
        importlib.import_module("promptcot.cli.completion")  # which knows how bash splits words
    try:
        return int(root.main(args=arguments, prog_name="promptcot", standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except SystemExit as done:  # a shell has asked for completions, and click has answered
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except click.ClickException as error:
        words = explained(error, " ".join(filter(None, ("promptcot", _command_in(arguments)))))
        is_help = isinstance(error, click.exceptions.NoArgsIsHelpError)
        return _ended("UsageError", words, click.unstyle(error.message) if is_help else f"promptcot: {words}", 2)
    except PromptCoTError as error:
        return _ended(type(error).__name__, str(error), f"promptcot: {error}", error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        handled()
        say_interrupted()
        RESULT.fail("Interrupted", _INTERRUPTED)
        return INTERRUPTED
    except OSError as error:
        return _refused(error)


def _ended(kind: str, message: str, line: str, code: int) -> int:
    """Print the error that ended the command; returns the exit code."""
    complain(line)
    RESULT.fail(kind, message)
    return code


def _emit(code: int, arguments: list[str]) -> None:
    """Print the JSON object; also where an error or Ctrl-C ended the command before `--json` was parsed."""
    if RESULT.failed and not RESULT.wanted and typed_in(arguments):
        RESULT.want(_command_in(arguments))
    RESULT.emit(code)


def _command_in(arguments: list[str]) -> str | None:
    """The words of a command line that choose the command, which is not imported; None for an unknown verb."""
    verb, *rest = [*map(_dashes, arguments[:2]), ""]
    if verb not in VERBS:
        return None
    return f"{verb} {rest[0]}" if rest[0] in COMMANDS.get(verb, ()) else verb


def stopped_early(arguments: Sequence[str]) -> None:
    """Print the JSON object of a command that Ctrl-C ended outside of `run`, if none was printed."""
    if not RESULT.printed:
        RESULT.fail("Interrupted", _INTERRUPTED)
        _emit(INTERRUPTED, list(arguments))


def _refused(error: OSError) -> int:
    """Print an error of the operating system; one without a file name comes from printing help, which click does."""
    if error.filename is None:
        STREAMS.lose(error)
        RESULT.fail("OSError", str(error))
        return 0 if error.errno == errno.EPIPE else 1
    line = f"{error.filename}: {error.strerror}; check that it can be read and written"
    return _ended("OSError", line, f"promptcot: {line}", 1)
