"""`promptcot merge`: joins the outputs of shards into the output of an unsharded command."""

from __future__ import annotations

from pathlib import Path

import click

from promptcot.cli.help import verb
from promptcot.cli.parameters import SOURCE_EITHER, TARGET_EITHER
from promptcot.cli.report.console import Console, print_summary, say_all, warn
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.run import code_of, files_of, next_lines, numbers, report_lines, summary
from promptcot.pipeline.merge import lacking, merge_files, shards_of
from promptcot.pipeline.merge_runs import merge_runs
from promptcot.pipeline.synchronous import wait_for
from promptcot.report.writing import report_at_end


@verb(
    "merge",
    example="promptcot merge out/nano out/nano-0-of-2 out/nano-1-of-2",
)
@click.argument("target", metavar="OUT", type=TARGET_EITHER)
@click.argument("shards", metavar="SHARD...", nargs=-1, required=True, type=SOURCE_EITHER)
@click.option("--partial", is_flag=True, help="Merge the shards that exist even if some are missing.")
def command(target: Path, shards: tuple[Path, ...], partial: bool) -> int:
    """Merge run directories, or output files of one verb, that were made with --shard, into OUT.

    OUT is byte for byte the output of the same command without --shard, in the order of the whole input. Steps that
    compare rows see the rows of all shards. The journals are merged too, so the command without --shard can continue
    from OUT without repeating a finished call. No model is called.
    """
    found, observer = shards_of(target, shards, partial=partial), Console()
    if missing := lacking(found):
        warn(f"merged without {missing}; run the command without --shard, into {target}, to process its rows")
    if not found[0].path.is_dir():
        return print_summary(target, [merge_files(target, found, observer)])
    merged, inputs = wait_for(merge_runs(target, found, observer, partial=partial))
    RESULT.add(**numbers(merged, inputs))
    RESULT.read(merged.directory / "summary.json")
    RESULT.wrote(*files_of(merged))
    say_all(summary(merged, inputs))
    say_all(report_lines(report_at_end(merged.directory)))
    say_all(next_lines(merged, inputs))
    return code_of(merged)
