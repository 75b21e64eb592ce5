"""`promptcot export`: a set as the files that a trainer reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.cli.grouped import Grouped
from promptcot.cli.parameters import (
    ABOVE_ZERO,
    COUNT,
    EXPORT_FOLDER,
    PROMPTS,
    SHARE,
    SOURCE_EITHER,
    WHOLE,
    columns_option,
    take_columns,
    verifier_option,
)
from promptcot.cli.push_options import push_options, take_push
from promptcot.cli.report.console import exit_code, say, say_all
from promptcot.cli.report.export import as_numbers, check_lines, written_lines
from promptcot.cli.report.result import RESULT
from promptcot.exports.files import EXPORT
from promptcot.exports.formats import FORMATS, format_of
from promptcot.exports.job import LIMIT, Export, Exported, export
from promptcot.exports.splits import Shares
from promptcot.storage.paths import beside

_GROUPS = {
    "What goes where": ("data_path", "output_path", "to", "layout"),
    "Which rows, and how they are put": ("columns", "disputed", "domain", "style", "verifier", "limit"),
    "Splits and files": ("validation", "test", "seed", "rows_per_shard"),
    "Afterwards": ("checks", "license", "language"),
    "Upload": ("push", "public", "replace", "yes", "dry_run"),
}
_EXAMPLES = (
    "promptcot export --data-path out/nano --output-path verl --to verl --push OWNER/NAME --dry-run",
    "promptcot export --data-path out/nano --output-path verl --to verl --test 0.1 --check",
    "promptcot export --data-path out/nano --output-path sft --to sft --layout conversation",
    "promptcot export --data-path rl.jsonl --output-path prime --to prime --columns answer=gold",
)


@click.command("export", cls=Grouped, groups=_GROUPS, examples=_EXAMPLES)
@click.option(
    "--data-path",
    required=True,
    type=SOURCE_EITHER,
    help="The directory of a run that made a set, the rows that `label` wrote for trainings, or a known data set.",
)
@click.option(
    "--output-path",
    required=True,
    type=EXPORT_FOLDER,
    metavar="FOLDER",
    help="The folder. It appears when it is complete, and takes the place of an earlier export.",
)
@click.option(
    "--to", required=True, metavar=f"[{'|'.join(FORMATS)}]", help="Whose columns: those of a trainer, or of a kind."
)
@click.option(
    "--layout",
    help="How prompts are written where the trainer reads several forms: messages, or text; for sft also conversation "
    "or prompt-completion.  [default: messages where the trainer reads them]",
)
@columns_option
@click.option("--disputed", is_flag=True, help="Keep rows on whose answer the traces do not agree.")
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    help="The domain, whose solve.jinja puts the question.  [default: that of the run, else math]",
)
@click.option(
    "--style",
    help="The form of a prompt that is one text, as in `solve`: deepseek-r1 or qwq. row is for all layouts: the prompt "
    "that the row has, with its system message.",
)
@verifier_option
@click.option("--limit", type=ABOVE_ZERO, default=LIMIT, show_default=True, help="Seconds that one gold may take.")
@click.option("--validation", type=SHARE, default=0.0, show_default=True, help="The share that is held out as such.")
@click.option(
    "--test",
    type=SHARE,
    default=0.0,
    show_default=True,
    help="The same. Problems that are alike, in concepts or in words, are in one split.",
)
@click.option("--seed", type=WHOLE, default=8000, show_default=True, help="Of the draw of splits, and of pairs.")
@click.option("--rows-per-shard", type=COUNT, help="The most rows of a file.  [default: files of some 400 MB]")
@click.option(
    "--check",
    "checks",
    is_flag=True,
    help="Load the files again with the trainer's own loader where it is installed, compare, and score every gold with "
    "the reward.",
)
@click.option(
    "--license", help="Of the rows, for the card: cc-by-4.0, mit and so on.  [default: it says that none is stated]"
)
@click.option("--language", help="Of the problems, for the card, as en.")
@push_options
def command(data_path: Path, output_path: Path, to: str, layout: str | None, checks: bool, **options: Any) -> int:
    """Write a set as the files that a trainer reads: for supervised fine-tuning, for pairs, or for reinforcement
    learning with a verifiable answer.

    Rows without what the trainer needs are left out, with the reason, into FOLDER.dropped.jsonl. The same rows and
    options give the same bytes. docs/export.md has the columns, and the settings of each trainer. Nothing is
    uploaded without --push.
    """
    form = format_of(to, layout)
    shares = Shares(options["validation"], options["test"], options["seed"])
    push = take_push(options)
    if push is not None:
        push.check()
    columns, told = take_columns(options, say)
    asked = Export(
        data_path=data_path,
        target=output_path,
        form=form,
        domain=options["domain"],
        style=options["style"],
        verifier=options["verifier"],
        limit=options["limit"],
        disputed=options["disputed"],
        shares=shares,
        rows_per_shard=options["rows_per_shard"],
        columns=columns,
        checks=checks,
        license=options["license"],
        language=options["language"],
        told={"data_path": data_path, "output_path": output_path, "to": form.name, "layout": form.layout, **told},
    )
    code = _report(export(asked, say), asked)
    if push is not None and code == 0:
        push.send(output_path, "dataset", EXPORT)
    return code


def _report(done: Exported, asked: Export) -> int:
    counts = done.written.counts
    RESULT.add(**as_numbers(done, asked.form, asked.target))
    RESULT.count([counts])
    RESULT.wrote(*([asked.target] if counts.rows_out else []))
    RESULT.wrote(*([beside(asked.target, "dropped.jsonl")] if counts.dropped else []))
    say_all(written_lines(done.written, asked.form, asked.target))
    code = exit_code(nothing=not counts.rows_out, failed=bool(counts.failed))
    if done.checked is None:
        return code
    say_all(check_lines(done.checked, asked.form))
    return code or exit_code(nothing=not done.checked.ok, failed=False)
