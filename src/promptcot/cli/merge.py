"""`promptcot merge`: what several drivers made with --shard, as one would have made it."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot.cli.parameters import SOURCE_EITHER, TARGET_EITHER
from promptcot.cli.report.console import Console, print_summary, say_all, warn
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.run import code_of, files_of, numbers, report_lines, summary
from promptcot.pipeline.merge import lacking, merge_files, shards_of
from promptcot.pipeline.merge_runs import merge_runs
from promptcot.pipeline.synchronous import wait_for
from promptcot.report.writing import report_at_end


@click.command("merge")
@click.argument("target", metavar="OUT", type=TARGET_EITHER)
@click.argument("shards", metavar="SHARD...", nargs=-1, required=True, type=SOURCE_EITHER)
@click.option("--partial", is_flag=True, help="Join what is there, though shards are missing.")
def command(target: Path, shards: tuple[Path, ...], partial: bool) -> int:
    """Join run directories, or output files of one verb, that were made with --shard, into OUT.

    OUT is what the same command gives without --shard, byte for byte, in the order of the whole input. Steps that look
    at other rows see those of all shards. The journals are joined too, so that the command without --shard goes on
    from OUT and repeats no finished call. No model is asked.
    """
    found, observer = shards_of(target, shards, partial=partial), Console()
    if missing := lacking(found):
        warn(f"joined without {missing}: the command without --shard, into {target}, asks about its rows")
    if not found[0].path.is_dir():
        return print_summary(target, [merge_files(target, found, observer)])
    merged, inputs = wait_for(merge_runs(target, found, observer, partial=partial))
    RESULT.add(**numbers(merged, inputs))
    RESULT.read(merged.directory / "summary.json")
    RESULT.wrote(*files_of(merged))
    say_all(summary(merged, inputs))
    say_all(report_lines(report_at_end(merged.directory)))
    return code_of(merged)
