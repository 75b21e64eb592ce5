"""`promptcot export`: writes a set in the format of a trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot.cli import known
from promptcot.cli.help import verb
from promptcot.cli.known import completing
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
from promptcot.cli.report.console import exit_code, say, say_all, warn
from promptcot.cli.report.export import as_numbers, check_lines, written_lines
from promptcot.cli.report.result import RESULT
from promptcot.exports.files import EXPORT
from promptcot.exports.formats import FORMATS, format_of
from promptcot.exports.job import LIMIT, Export, Exported, export
from promptcot.exports.splits import Shares
from promptcot.storage.paths import beside
from promptcot.storage.reviews import damaged_beside

_GROUPS = {
    "Input and output": ("data_path", "output_path", "to", "layout"),
    "Rows and prompts": ("columns", "disputed", "domain", "style", "verifier", "limit"),
    "Splits and files": ("validation", "test", "seed", "rows_per_shard"),
    "Check and dataset card": ("checks", "license", "language"),
    "Upload": ("push", "public", "replace", "yes", "dry_run"),
}


@verb(
    "export",
    groups=_GROUPS,
    example="promptcot export --data-path out/nano --output-path verl --to verl --test 0.1 --check",
)
@click.option(
    "--data-path",
    required=True,
    type=SOURCE_EITHER,
    help="Directory of a run that made a set, training rows written by `label`, or a known data set.",
)
@click.option(
    "--output-path",
    required=True,
    type=EXPORT_FOLDER,
    help="Output folder. It appears only when it is complete, and replaces an earlier export.",
)
@click.option(
    "--to",
    required=True,
    metavar=f"[{'|'.join(FORMATS)}]",
    help="Trainer, or kind of training, whose format is written.",
)
@click.option(
    "--layout",
    metavar="LAYOUT",
    shell_complete=completing(known.layouts),
    help=(
        "Layout of prompts, for trainers that read several layouts: messages or text; for sft also conversation or "
        "prompt-completion.  [default: messages if the trainer reads them]"
    ),
)
@columns_option
@click.option("--disputed", is_flag=True, help="Keep rows whose traces do not agree on the answer.")
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    help="Domain, a name or a folder, whose solve.jinja phrases the question.  [default: the run's, else math]",
)
@click.option(
    "--style",
    metavar="STYLE",
    shell_complete=completing(known.styles),
    help=(
        "Format of a prompt in the text layout, as in `solve`: deepseek-r1 or qwq. The value row, which all layouts "
        "accept, keeps the row's own prompt and system message.  [default: the domain's]"
    ),
)
@verifier_option
@click.option(
    "--limit",
    type=ABOVE_ZERO,
    default=LIMIT,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for checking one gold answer.",
)
@click.option(
    "--validation", type=SHARE, default=0.0, show_default=True, help="Share of the rows in the validation split."
)
@click.option(
    "--test",
    type=SHARE,
    default=0.0,
    show_default=True,
    help="Share of the rows in the test split. Problems with similar concepts or wording are kept in one split.",
)
@click.option(
    "--seed",
    type=WHOLE,
    default=8000,
    show_default=True,
    help="Random seed for the splits and for the choice of pairs.",
)
@click.option("--rows-per-shard", type=COUNT, help="Maximum number of rows per file.  [default: files of about 400 MB]")
@click.option(
    "--check",
    "checks",
    is_flag=True,
    help="Load the files with the trainer's own loader, if it is installed, compare the rows, and check that the "
    "reward "
    "accepts every gold answer.",
)
@click.option(
    "--license",
    metavar="LICENSE",
    help="License of the rows, for the dataset card, such as cc-by-4.0 or mit.  [default: not stated]",
)
@click.option(
    "--language",
    metavar="CODE",
    help="Language of the problems, for the dataset card, such as en.  [default: not stated]",
)
@push_options
def command(data_path: Path, output_path: Path, to: str, layout: str | None, checks: bool, **options: Any) -> int:
    """Write a set in the format of a trainer: for supervised fine-tuning, for preference pairs, or for reinforcement
    learning with verifiable answers.

    Rows that lack something the trainer needs are written to OUTPUT.dropped.jsonl, with the reason. The same rows and
    options give the same bytes. docs/export.md describes the columns and the settings of each trainer. Nothing is
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
    for line in damaged_beside([data_path]):
        warn(line)
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
