"""The verbs, and what the process exits with."""

from __future__ import annotations

import difflib
import errno
import gc
import importlib
import io

import click

from promptcot import __version__
from promptcot.cli import say_interrupted
from promptcot.cli.addresses import with_addresses
from promptcot.cli.json_option import typed_in, with_json
from promptcot.cli.report.console import complain
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.streams import STREAMS
from promptcot.errors import PromptCoTError
from promptcot.interruption import INTERRUPTED
from promptcot.storage.provenance import commanded

# Looking for cycles among thousands of rows in flight cost a fifth of the CPU at Python's own thresholds.
_RARELY = (20_000, 20, 20)

VERBS = {
    "run": "The whole pipeline, from concepts to a set of labelled problems.",
    "init": "Write the folder of a new domain: prompts, criteria, concepts, a recipe.",
    "extract": "Name the concepts that problems rest on.",
    "explain": "Write the rationale that leads from concepts and level to each problem.",
    "train-rows": "Make a generator's training rows, and concepts to sample, from annotated problems.",
    "encode": "Turn concepts into vectors.",
    "sample": "Draw combinations of concepts that belong together.",
    "generate": "Write a rationale and a problem for each combination.",
    "judge": "Rate problems with one judge model.",
    "filter": "Keep the problems that the judges call perfect.",
    "verify": "Keep the problems that are well-posed, by several votes of a model that sees nothing else.",
    "dedup": "Leave out copies of problems, whatever they are spelled in.",
    "decontaminate": "Leave out the problems that are in a benchmark, and show what they have in common.",
    "solve": "Write n traces, each with an answer, for every problem.",
    "grade": "Say what predictions are worth: accuracy with its spread and interval, pass@k, majority@k.",
    "label": "Find the answer that the traces of a problem agree on, and make training rows of them.",
    "select": "Choose labelled problems by pass rate, level and concepts, and put them in order.",
    "export": "Turn a set into the files that a trainer reads, and check that it reads them and every gold passes.",
    "measure": "Say what a set of problems is like: yield, pass rates, concepts, near copies, cost; or how two differ.",
    "view": "Search, read and review the problems of a run, on a page of this machine.",
    "show": "Print the history of one problem of a run, or what the run has.",
    "report": "Show a run as one page of HTML: its set, what was left out and why, and problems; or two runs.",
    "eval": "Solve and grade benchmarks with the settings of a recipe, and set the results beside published ones.",
    "train": "Train a generator or a student as a recipe says; --dry-run: what that takes, and whether it fits.",
    "chain": "The small steps of chains: problems outside benchmarks, mismatched traces, closing tables.",
    "merge": "Join what several drivers made with --shard into what one would have made.",
    "clean": "Remove the journals and work files of a finished run, after showing their size and what they are for.",
    "plan": "Hours, bytes, wall time and money for a number of accepted problems, from measured or stated rates.",
    "doctor": "Look whether a run would work here, what it would take and what it would cost.",
    "mock-server": "An OpenAI-compatible server without a model, for tests and for trying things out.",
    "nano": "The embedded model: where it lies, and the truth about a run on it.",
}

_FILES = {"report": "report_run"}
"""Verbs whose module has another name: `cli.report` is what is printed."""


def _dashes(token: str) -> str:
    """Options and verbs may be typed with underscores."""
    return token.replace("_", "-")


class _Verbs(click.Group):
    """A group whose commands are imported when they are chosen."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = _dashes(cmd_name)
        if verb not in VERBS:
            return None
        command: click.Command = importlib.import_module(
            f"promptcot.cli.{_FILES.get(verb, verb.replace('-', '_'))}"
        ).command
        return with_json(with_addresses(command))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        verb = _dashes(args[0])
        if verb not in VERBS and not verb.startswith("-"):
            near = difflib.get_close_matches(verb, VERBS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(VERBS)}"
            raise click.UsageError(f"there is no verb {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(
    cls=_Verbs,
    context_settings={"token_normalize_func": _dashes, "help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with `promptcot run`: no model, GPU or network is needed. `promptcot VERB --help` explains a verb. "
    "Files may be at addresses (s3://, gs://, hdfs://, …); outputs are written there with --journal DIR.",
)
@click.version_option(__version__, prog_name="promptcot")
def root() -> None:
    """Hard, correct problems at any scale: sample concepts, write problems, have them judged, keep what all judges
    call perfect, and make a set of it: well-posed, new, answered, and as hard as asked."""


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
            RESULT.emit(1)
            raise
        RESULT.emit(code)
        return STREAMS.end(code)


def _run(arguments: list[str]) -> int:
    """The exit code as far as the command itself knows."""
    try:
        return int(root.main(args=arguments, prog_name="promptcot", standalone_mode=False) or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        if not RESULT.wanted and typed_in(arguments):
            RESULT.want(_verb_in(arguments))
        return _ended("UsageError", error.format_message(), _usage(error), 2)
    except PromptCoTError as error:
        return _ended(type(error).__name__, str(error), f"promptcot: {error}", error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say_interrupted()
        RESULT.fail("Interrupted", "the command was interrupted; the same command resumes it")
        return INTERRUPTED
    except OSError as error:
        return _refused(error)


def _ended(kind: str, message: str, line: str, code: int) -> int:
    """Say which error ended the command; returns the exit code."""
    complain(line)
    RESULT.fail(kind, message)
    return code


def _verb_in(arguments: list[str]) -> str | None:
    """The verb of a command line that could not be parsed."""
    return next((verb for word in arguments[:1] if (verb := _dashes(word)) in VERBS), None)


def _refused(error: OSError) -> int:
    """What the system refused, in one line. Without the name of a file it is the help, which click prints itself."""
    if error.filename is None:
        STREAMS.lose(error)
        RESULT.fail("OSError", str(error))
        return 0 if error.errno == errno.EPIPE else 1
    line = f"{error.filename}: {error.strerror}; check that it can be read and written"
    return _ended("OSError", line, f"promptcot: {line}", 1)


def _usage(error: click.ClickException) -> str:
    """What click says about a mistake; it may repeat anything that was typed."""
    words = io.StringIO()
    error.show(words)
    return words.getvalue().rstrip("\n")
