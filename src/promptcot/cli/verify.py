"""`promptcot verify`: one model's votes on whether each problem is well-posed."""

from __future__ import annotations

from typing import Any

import click

from promptcot import domains
from promptcot.cli.options import data_path, model_of, model_options, output_path, prompts_option
from promptcot.cli.parameters import COUNT, SHARE, columns_option, take_columns
from promptcot.cli.report.console import say
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.annotators import problem_rows
from promptcot.stages.defaults import domain_of, verifier_name
from promptcot.stages.verify import MIN_SHARE, VOTES, Verify


@click.command("verify")
@data_path("Rows with a `problem`; or of a known data set.")
@output_path("The rows whose problem is valid, with `validity`: the votes by verdict and by criterion.")
@click.option("--votes", type=COUNT, default=VOTES, show_default=True, help="How often each problem is asked about.")
@click.option(
    "--min-share",
    type=SHARE,
    default=MIN_SHARE,
    show_default=True,
    help="The share of the votes that must say valid, among those that say valid or invalid.",
)
@columns_option
@prompts_option
@model_options(temperature=0.6)
def command(votes: int, min_share: float, domain: str | None, **options: Any) -> int:
    """Have a model say whether each problem is well-posed, and keep those that are.

    The model sees the problem alone, not its concepts, rationale or level: are its terms defined, do its conditions
    agree, do they suffice, is exactly one thing asked, and is there one answer. A vote that cannot be read counts as
    undecided, and so does a problem on which no more than half of the votes decide. What is left out is in
    OUTPUT.dropped.jsonl, with `validity` and the words of a vote against it.
    """
    asked = model_of(options)
    loaded, voter = domains.load(domain or domain_of(asked)), verifier_name(asked)

    def stage(model: Model, seed: int) -> Verify:
        return Verify(voter, loaded, model.sampling, seed, model.chat, range(votes), min_share)

    columns, options = take_columns(options, say)
    told = {**options, "votes": votes, "min_share": min_share, "prompts": loaded.domain}
    return run_file(stage, "verifier", told, loaded.hashes, lambda source: problem_rows(source, columns))
