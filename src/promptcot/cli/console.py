"""Words that several verbs print: what became of the rows, what was reused, where the files are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from promptcot.errors import UsageError
from promptcot.storage.counts import Tally
from promptcot.storage.paths import beside


def say(text: str = "") -> None:
    """One line to standard output."""
    click.echo(text)


def refuse_own_output(inputs: Iterable[Path], output: Path) -> None:
    """Raises UsageError when a command would write over what it reads."""
    written = {path.resolve() for path in (output, beside(output, "dropped.jsonl"), beside(output, "failed.jsonl"))}
    for path in inputs:
        if path.resolve() in written:
            raise UsageError(
                f"{path}: this file would be replaced by the output {output}; choose another output. "
                "(Failed rows are asked again when the same command is run again)"
            )


def percent(part: int, whole: int) -> str:
    """A share, or n/a where there is nothing to take a share of."""
    return f"{part / whole:.0%}" if whole else "n/a"


def account(tally: Tally) -> str:
    """Where the rows of a stage went: `in = out + dropped + failed`."""
    return (
        f"{tally.name}: {tally.rows_in:,} in = {tally.rows_out:,} out"
        f" + {tally.dropped.total():,} dropped{_reasons(tally.dropped)}"
        f" + {tally.failed.total():,} failed{_reasons(tally.failed)}"
    )


def _reasons(counts: dict[str, int]) -> str:
    return f" ({', '.join(f'{reason}: {count:,}' for reason, count in sorted(counts.items()))})" if counts else ""


def calls(tally: Tally) -> str | None:
    """What was asked and what was reused, and why something was asked again; None if no model was asked."""
    if not (tally.calls or tally.reused):
        return None
    words = [f"{tally.calls:,} calls", f"{tally.completion_tokens:,} tokens written"]
    if tally.reused:
        words.append(f"{tally.reused:,} finished calls reused from the journal")
    if tally.cost is not None:
        words.append(f"cost {tally.cost:,.4f} in all" if tally.reused else f"cost {tally.cost:,.4f}")
    words += [f"{count:,} asked again: {reason}" for reason, count in sorted(tally.asked_again.items())]
    return f"{tally.name}: {', '.join(words)}"


def close_books(output: Path, tallies: Iterable[Tally]) -> int:
    """Print the books of a stage command; returns the exit code."""
    tallies = list(tallies)
    for tally in tallies:
        if line := calls(tally):
            say(line)
        say(account(tally))
    say(f"written: {output}")
    for kind in ("dropped.jsonl", "failed.jsonl"):
        if beside(output, kind).exists():
            say(f"         {beside(output, kind)}")
    return 3 if any(tally.failed for tally in tallies) else 0
