"""`promptcot select`: selects labelled problems by difficulty, size and balance."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from promptcot import domains
from promptcot.cli import known
from promptcot.cli.help import verb
from promptcot.cli.known import completing
from promptcot.cli.options import output_path
from promptcot.cli.parameters import COUNT, PROMPTS, SHARE, SOURCE, WHOLE, columns_option, take_columns, verifier_option
from promptcot.cli.report.console import print_summary, say, say_all, warn
from promptcot.cli.report.select import selection_lines
from promptcot.core.selection.settings import BALANCES, ORDERS, Settings
from promptcot.grading.graders import Graders
from promptcot.stages.select import Select, holding, refuse_repeated, same_by, select_files
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output
from promptcot.storage.reviews import damaged_beside

_ASKED = ("pass_rate", "difficulty", "levels", "size", "balance", "order", "seed", "min_agreement", "min_n")


@verb(
    "select",
    example="promptcot select --data-path labelled.jsonl --output-path selected.jsonl --pass-rate 0.2:0.8 --size 1000",
    groups={
        "Which problems to choose": (
            "pass_rate",
            "model_name",
            "min_agreement",
            "min_n",
            "difficulty",
            "levels",
            "size",
            "balance",
            "order",
            "seed",
        )
    },
)
@click.option(
    "--data-path",
    "data_paths",
    required=True,
    multiple=True,
    type=SOURCE,
    help="Labelled problems, as written by `label`. Rows with the same id are one problem, and their traces are "
    "pooled.",
)
@output_path("Output: the chosen rows, in the order of the set.")
@columns_option
@click.option(
    "--pass-rate", default="0:1", show_default=True, metavar="LOW:HIGH", help="Range of pass rates, bounds included."
)
@click.option(
    "--model", "model_name", metavar="MODEL", help="Use only the pass rates of this model.  [default: all traces]"
)
@click.option(
    "--difficulty",
    metavar="LOW-HIGH=SHARE,...",
    help="Composition of the set by pass rate, as proportions: 0-0.25=0.3,0.25-0.5=0.4,0.5-0.75=0.3.  [default: as "
    "in the input]",
)
@click.option(
    "--levels",
    metavar="LEVEL=SHARE,...",
    shell_complete=completing(known.levels),
    help="Composition of the set by level, as proportions: AIME=0.5,AMC12=0.5.  [default: as in the input]",
)
@click.option(
    "--size",
    type=COUNT,
    help=(
        "Maximum number of problems. If a share has too few problems, the other shares make up for it.  [default: no "
        "limit]"
    ),
)
@click.option(
    "--balance",
    multiple=True,
    type=click.Choice(BALANCES),
    help="Balance the set: the same number of problems of each level, or an even coverage of concepts.  [default: no "
    "balancing]",
)
@click.option(
    "--order",
    type=click.Choice(ORDERS),
    default="as-is",
    show_default=True,
    help="Order of the set: by decreasing pass rate, shuffled, or as in the input.",
)
@click.option(
    "--seed", type=WHOLE, default=8000, show_default=True, help="Random seed for breaking ties and shuffling."
)
@click.option(
    "--min-agreement",
    type=SHARE,
    help="Minimum share of the answers that agree with the label.  [default: more than half]",
)
@click.option("--min-n", type=COUNT, default=1, show_default=True, help="Minimum number of traces behind a pass rate.")
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    default=domains.DEFAULT,
    show_default=True,
    help="Domain, a name or a folder, whose verifier decides which labels are the same answer.",
)
@verifier_option
def command(data_paths: tuple[Path, ...], output_path: Path, **options: Any) -> int:
    """Choose problems by their pass rates, levels and concepts, and put them in order.

    A problem is chosen only if its traces agree on the answer; a single answer among several traces is not enough.
    Problems that are not chosen are written to OUTPUT.dropped.jsonl with the reason. The result does not depend on the
    order of the input.
    """
    settings = Settings.of(model=options["model_name"], **{name: options[name] for name in _ASKED})
    columns, told = take_columns(options, say)
    for line in damaged_beside(data_paths):
        warn(line)
    refuse_repeated(data_paths)
    verifier = domains.settings(options["domain"]).verifier
    with (
        Graders(named=options["verifier"], default=verifier) as graders,
        Output(output_path, "select") as output,
        holding(output_path) as folder,
        closing(Select(folder, settings, same_by(graders.of()))) as step,
    ):
        select_files(data_paths, output, step, columns)
        told = {"data_path": [*map(str, data_paths)], "output_path": output_path, **told}
        output.commit(manifest(told, {}, {}), step.summary())
        say_all(selection_lines(step.summary().get("select", {})))
        return print_summary(output_path, [output.counts])
