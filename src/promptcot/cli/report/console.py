"""Text that several verbs print: notes, progress, then the counts of rows and the paths of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from promptcot.cli.report.result import RESULT
from promptcot.cli.report.streams import STREAMS
from promptcot.cli.report.tables import Heading
from promptcot.core.remedies import shown
from promptcot.core.units import counted
from promptcot.pipeline.trouble import came_to_nothing, trouble_of
from promptcot.storage.counts import StageCounts, damaged_lines
from promptcot.storage.paths import beside


def say(text: str = "", start: str = "", color: str | None = None) -> None:
    """One line to standard output; on a terminal its start is in color, and the header of a table is bold."""
    if isinstance(text, Heading):
        STREAMS.write("", str(text), {"bold": True})
    else:
        STREAMS.write(text, start, {"fg": color} if color else None)


def complain(text: str) -> None:
    """One line to standard error."""
    STREAMS.complain(text)


def warn(text: str) -> None:
    """Lines that a person should read before using the result: to standard output, and among the warnings of --json."""
    say_all(text.splitlines())
    RESULT.warn(text)


def say_all(lines: Iterable[str]) -> None:
    """Each line to standard output, as it comes."""
    for line in lines:
        say(line)


class Console:
    """An observer of `pipeline.execute` that prints."""

    def note(self, text: str) -> None:
        """One line to standard output."""
        say(text)

    def watch(
        self, counts: Mapping[str, StageCounts], *, target: int | None = None, **how: Any
    ) -> AbstractContextManager[object]:
        """A progress display until the context is left. `target` is part of the display's standing."""
        from promptcot.cli.report.progress import Progress  # imports numpy, which `--help` does not need

        return Progress(counts, **how)


def percent(part: int, whole: int) -> str:
    """A share in percent; n/a if the whole is 0."""
    return f"{part / whole:.0%}" if whole else "n/a"


def account(counts: StageCounts) -> str:
    """Where the rows of a stage went: `in = out + dropped + failed`."""
    return (
        f"{counts.name}: {counts.rows_in:,} in = {counts.rows_out:,} out"
        f" + {counts.dropped.total():,} dropped{_reasons(counts.dropped)}"
        f" + {counts.failed.total():,} failed{_reasons(counts.failed)}"
    )


def _reasons(counts: dict[str, int]) -> str:
    return f" ({', '.join(f'{reason}: {count:,}' for reason, count in sorted(counts.items()))})" if counts else ""


def calls(counts: StageCounts) -> str | None:
    """The calls of a stage: new, reused, retried with reasons; None if no model was called."""
    if not (counts.calls or counts.reused or counts.damaged):
        return None
    words = [counted(counts.calls, "call"), f"{counted(counts.completion_tokens, 'token')} written"]
    if counts.reused:
        words.append(f"{counted(counts.reused, 'finished call')} reused from the journal")
    if counts.cost is not None:
        words.append(f"total cost {counts.cost:,.4f}" if counts.reused else f"cost {counts.cost:,.4f}")
    if counts.end_tokens:
        words.append(f"end tokens removed from {counted(counts.end_tokens, 'reply', 'replies')}")
    if counts.damaged:
        words.append(damaged_lines(counts.damaged))
    words += [f"{count:,} retried: {reason}" for reason, count in sorted(counts.asked_again.items())]
    words += [f"{count:,} unanswered: {cause}" for cause, count in sorted(counts.unanswered.items())]
    return f"{counts.name}: {', '.join(words)}"


def replaced(counts: StageCounts) -> str | None:
    """The characters that were replaced in an output; None if there were none."""
    found = "; ".join(f"{count:,} {shown(what)}" for what, count in sorted(counts.replaced.items()))
    return f"{counts.name}: replaced in the output: {found}" if found else None


def exit_code(*, nothing: bool, failed: bool) -> int:
    """The exit code of a command that ran to its end: 1 if no row came through, 3 if some failed, else 0."""
    return 1 if nothing else 3 if failed else 0


def worst(codes: Iterable[int]) -> int:
    """The exit code of several outputs: 1 takes precedence over 3."""
    return min(filter(None, codes), default=0)


def print_summary(output: Path, stage_counts: Iterable[StageCounts], *, keep_going: bool = False) -> int:
    """Print the counts, problems and files of a stage command; returns the exit code.

    With `keep_going`, an output without rows is no failure.
    """
    stage_counts = list(stage_counts)
    RESULT.output(output, stage_counts)
    for counts in stage_counts:
        if line := calls(counts):
            say(line)
        say(account(counts))
        if line := replaced(counts):
            warn(line)
        if trouble := trouble_of(counts, output):
            warn(str(trouble))
    say(f"written: {output}")
    for kind in ("dropped.jsonl", "failed.jsonl"):
        if beside(output, kind).exists():
            say(f"         {beside(output, kind)}")
    return worst(
        exit_code(nothing=came_to_nothing(one) and not keep_going, failed=bool(one.failed)) for one in stage_counts
    )
