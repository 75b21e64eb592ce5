"""`promptcot verify`: has a model vote on whether each problem is well-posed."""

from __future__ import annotations

from typing import Any

import click

from promptcot import domains
from promptcot.cli.help import verb
from promptcot.cli.options import data_path, model_of, model_options, output_path, prompts_option
from promptcot.cli.parameters import COUNT, SHARE, columns_option, take_columns
from promptcot.cli.report.console import say
from promptcot.cli.stage import run_file
from promptcot.recipe.schema import Model
from promptcot.stages.annotators import problem_rows
from promptcot.stages.defaults import domain_of, verifier_name
from promptcot.stages.verify import MIN_SHARE, VOTES, Verify


@verb(
    "verify",
    example="promptcot verify --data-path out/nano/filter.jsonl --output-path valid.jsonl --base-url "
    "http://127.0.0.1:8000/v1",
    groups={"Votes": ("votes", "min_share")},
)
@data_path("Rows with a `problem`, or a known data set.")
@output_path("Output: rows whose problem is valid, with `validity`: the votes by verdict and by criterion.")
@click.option("--votes", type=COUNT, default=VOTES, show_default=True, help="Number of votes per problem.")
@click.option(
    "--min-share",
    type=SHARE,
    default=MIN_SHARE,
    show_default=True,
    help="Minimum share of valid votes among all valid and invalid votes.",
)
@columns_option
@prompts_option
@model_options(temperature=0.6)
def command(votes: int, min_share: float, domain: str | None, **options: Any) -> int:
    """Have a model vote several times on whether each problem is well-posed, and keep those that are.

    The model sees only the problem, not its concepts, rationale or level. It checks whether all terms are defined,
    whether the conditions are consistent and sufficient, whether exactly one thing is asked, and whether the answer is
    unique. A vote that cannot be parsed counts as undecided, and a problem is undecided unless more than half of its
    votes are valid or invalid. Dropped problems are written to OUTPUT.dropped.jsonl, with `validity` and the text of
    one vote against them.
    """
    asked = model_of(options)
    loaded, voter = domains.load(domain or domain_of(asked)), verifier_name(asked)

    def stage(model: Model, seed: int) -> Verify:
        return Verify(voter, loaded, model.sampling, seed, model.chat, range(votes), min_share)

    columns, options = take_columns(options, say)
    told = {**options, "votes": votes, "min_share": min_share, "prompts": loaded.domain}
    return run_file(stage, "verifier", told, loaded.hashes, lambda source: problem_rows(source, columns))
