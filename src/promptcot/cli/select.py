"""`promptcot select`: from labelled problems to a set of the difficulty, size and balance that are asked for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import click

from promptcot import domains
from promptcot.cli.options import output_path
from promptcot.cli.parameters import COUNT, PROMPTS, SHARE, SOURCE, WHOLE, columns_option, take_columns, verifier_option
from promptcot.cli.report.console import print_summary, say, say_all
from promptcot.cli.report.select import selection_lines
from promptcot.core.selection.settings import BALANCES, ORDERS, Settings
from promptcot.grading.graders import Graders
from promptcot.stages.select import Select, holding, refuse_repeated, same_by, select_files
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output

_ASKED = ("pass_rate", "difficulty", "levels", "size", "balance", "order", "seed", "min_agreement", "min_n")


@click.command("select")
@click.option(
    "--data-path",
    "data_paths",
    required=True,
    multiple=True,
    type=SOURCE,
    help="Labelled problems, as `label` writes them. May be repeated: rows of one id are one problem, whose traces "
    "add up.",
)
@output_path("The rows of the set, in its order.")
@columns_option
@click.option("--pass-rate", default="0:1", show_default=True, metavar="LOW:HIGH", help="Both bounds are kept.")
@click.option("--model", "model_name", help="Take the pass rates of this model only.  [default: those over all traces]")
@click.option(
    "--difficulty",
    metavar="LOW-HIGH=SHARE,…",
    help="Which share of the set has which pass rates: 0-0.25=0.3,0.25-0.5=0.4,0.5-0.75=0.3. Shares are proportions.",
)
@click.option("--levels", metavar="LEVEL=SHARE,…", help="Which share of the set has which level: AIME=0.5,AMC12=0.5.")
@click.option("--size", type=COUNT, help="The most problems; what one share lacks the others give.")
@click.option(
    "--balance",
    multiple=True,
    type=click.Choice(BALANCES),
    help="As many problems of each level; or problems that cover many concepts evenly. May be repeated.",
)
@click.option(
    "--order",
    type=click.Choice(ORDERS),
    default="as-is",
    show_default=True,
    help="By falling pass rate, shuffled, or as in the input.",
)
@click.option(
    "--seed", type=WHOLE, default=8000, show_default=True, help="Of the choice among equals, and of the shuffle."
)
@click.option("--min-agreement", type=SHARE, help="Of the answers of a label.  [default: more than a half]")
@click.option("--min-n", type=COUNT, default=1, show_default=True, help="The fewest traces that a pass rate rests on.")
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    default=domains.DEFAULT,
    show_default=True,
    help="The domain, whose verifier says which labels are one answer.",
)
@verifier_option
def command(data_paths: tuple[Path, ...], output_path: Path, **options: Any) -> int:
    """Choose problems by their pass rates, levels and concepts, and put them in order.

    The difficulty of a problem counts only where its answer is agreed; what only one of several traces answered
    is not. What is left out is written to X.dropped.jsonl with the reason. The set is the same whatever the order
    of the input.
    """
    settings = Settings.of(model=options["model_name"], **{name: options[name] for name in _ASKED})
    columns, told = take_columns(options, say)
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
