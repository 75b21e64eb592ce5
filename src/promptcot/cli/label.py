"""`promptcot label`: the answer that the traces of each problem agree on, and what can be learned from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot import domains
from promptcot.cli.options import data_path, output_path
from promptcot.cli.parameters import (
    ABOVE_ZERO,
    COUNT,
    PROMPTS,
    SHARE,
    TARGET,
    WHOLE,
    columns_option,
    shard_option,
    take_columns,
    verifier_option,
)
from promptcot.cli.report.console import print_summary, say, say_all
from promptcot.cli.report.validity import validity_lines
from promptcot.core.labelling import Band
from promptcot.core.shards import Shard
from promptcot.errors import UsageError
from promptcot.grading.graders import Graders
from promptcot.pipeline.shards import part_of
from promptcot.pipeline.synchronous import wait_for
from promptcot.stages.label import Settings, label_file
from promptcot.storage.json import loads
from promptcot.storage.manifest import manifest
from promptcot.storage.paths import beside


@click.command("label")
@data_path("Traces, one row for each, as `solve` writes them; or those of a known data set.")
@output_path(
    "One row for each problem: its own fields and `label`, `agreement`, `margin`, `n`, `pass_rate`, `refused` …"
)
@columns_option
@click.option("--min-agreement", type=SHARE, default=0.0, show_default=True, help="Of the answers, how many agree.")
@click.option("--min-pass-rate", type=SHARE, default=0.0, show_default=True, help="Of the traces; below is too hard.")
@click.option("--max-pass-rate", type=SHARE, default=1.0, show_default=True, help="Of the traces; above is too easy.")
@click.option(
    "--min-share",
    type=SHARE,
    help="Of the votes of `verify`, how many say valid, where a trace that refuses its problem is a vote against it.",
)
@click.option(
    "--sft-path", type=TARGET, help="Write the whole traces that agree with the label here, as training rows."
)
@click.option("--pairs-path", type=TARGET, help="Write one right and one wrong trace of each problem here.")
@click.option("--rl-path", type=TARGET, help="Write prompt and verifiable answer of each labelled problem here.")
@click.option(
    "--style",
    help="The form of the raw `prompt` in training rows, as in `solve`: deepseek-r1, qwq, or row. Their `messages`, "
    "which `train` takes for models with a chat template, do not have it.",
)
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    default=domains.DEFAULT,
    show_default=True,
    help="The domain, by name or folder.",
)
@verifier_option
@click.option("--unboxed", is_flag=True, help="Without a box, take the final line for an answer.")
@click.option("--seed", type=WHOLE, default=8000, show_default=True, help="Of the choice of pairs.")
@click.option("--limit", type=ABOVE_ZERO, default=5.0, show_default=True, help="Seconds a comparison.")
@click.option("--workers", type=COUNT, default=2, show_default=True, help="Grading processes.")
@shard_option
def command(data_path: Path, output_path: Path, shard: Shard | None, **options: Any) -> int:
    """Label each problem with the answer that most of its traces give.

    Problems without any answer, and ties, stay unlabelled and are dropped with the reason; so are those of which
    more than half of the traces say that they are contradictory, have no answer or several, or lack data. Labels
    need no model: the traces that `solve` wrote are read twice.
    """
    bounds = ("min_agreement", "min_pass_rate", "max_pass_rate", "min_share")
    band = Band(*(options[name] for name in bounds))
    if band.min_share is None:
        del options["min_share"]  # written down where it is given
    if band.min_pass_rate > band.max_pass_rate:
        raise UsageError("--min-pass-rate is above --max-pass-rate, so no problem could be kept")
    columns, options = take_columns(options, say)
    targets = {name: options[f"{name}_path"] for name in ("sft", "pairs", "rl") if options[f"{name}_path"]}
    loaded = domains.load(options["domain"])
    told = {"data_path": data_path, "output_path": output_path, **options}
    part = part_of(shard, [data_path], output_path)
    how = {**manifest(told, loaded.hashes, {}), **part.told()}
    settings = Settings(band, loaded, options["style"], options["seed"], how, part, columns, options["unboxed"])
    named, default = options.get("verifier"), loaded.settings.verifier
    with Graders(options["workers"], options["limit"], named=named, default=default) as graders:
        counts = wait_for(label_file(data_path, {"label": output_path, **targets}, graders, settings, say))
    say_all(validity_lines(loads(beside(output_path, "summary.json").read_bytes()).get("validity_by_agreement", {})))
    paths = {**targets, "label": output_path}
    return [print_summary(paths[one.name], [one]) for one in counts][-1]
