"""`promptcot label`: labels problems with the answer that most traces give, and writes training rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from promptcot import domains
from promptcot.cli import known
from promptcot.cli.help import verb
from promptcot.cli.known import completing
from promptcot.cli.options import data_path, grading_options, output_path
from promptcot.cli.parameters import (
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


@verb(
    "label",
    example="promptcot label --data-path traces.jsonl --output-path labelled.jsonl --sft-path sft.jsonl",
    groups={
        "Which problems to keep": ("min_agreement", "min_pass_rate", "max_pass_rate", "min_share"),
        "Training rows": ("sft_path", "pairs_path", "rl_path", "style", "seed"),
    },
)
@data_path("Traces, one per row, as written by `solve`; or a known data set.")
@output_path(
    "Output: one row per problem, with its own fields and `label`, `agreement`, `margin`, `n`, `pass_rate`, "
    "`refused` and others."
)
@columns_option
@click.option(
    "--min-agreement",
    type=SHARE,
    default=0.0,
    show_default=True,
    help="Minimum share of the answers that agree with the label.",
)
@click.option(
    "--min-pass-rate",
    type=SHARE,
    default=0.0,
    show_default=True,
    help="Minimum share of the traces that agree with the label; problems below this share are too hard.",
)
@click.option(
    "--max-pass-rate",
    type=SHARE,
    default=1.0,
    show_default=True,
    help="Maximum share of the traces that agree with the label; problems above this share are too easy.",
)
@click.option(
    "--min-share",
    type=SHARE,
    help=(
        "Minimum share of valid votes. The votes are those of `verify`; a trace that calls the problem broken counts "
        "as an invalid vote.  [default: not checked]"
    ),
)
@click.option(
    "--sft-path",
    type=TARGET,
    help="Also write the complete traces that agree with the label to this file, for supervised fine-tuning.  "
    "[default: not written]",
)
@click.option(
    "--pairs-path",
    type=TARGET,
    help="Also write one right and one wrong trace of each problem to this file, as preference pairs.  [default: not "
    "written]",
)
@click.option(
    "--rl-path",
    type=TARGET,
    help="Also write the prompt and the verifiable answer of each labelled problem to this file, for reinforcement "
    "learning.  [default: not written]",
)
@click.option(
    "--style",
    metavar="STYLE",
    shell_complete=completing(known.styles),
    help="Format of the raw `prompt` in training rows, as in `solve`: deepseek-r1, qwq, or row. It does not affect "
    "their "
    "`messages`, which `train` uses for models with a chat template.  [default: the domain's]",
)
@click.option(
    "--prompts",
    "domain",
    type=PROMPTS,
    default=domains.DEFAULT,
    show_default=True,
    help="Domain, a name or a folder.",
)
@verifier_option
@click.option("--unboxed", is_flag=True, help="Use the final line as the answer of a trace without a \\boxed answer.")
@click.option("--seed", type=WHOLE, default=8000, show_default=True, help="Random seed for choosing the pairs.")
@grading_options
@shard_option
def command(data_path: Path, output_path: Path, shard: Shard | None, **options: Any) -> int:
    """Label each problem with the answer that most of its traces give.

    Problems without any answer and ties are dropped, with the reason. A problem is also dropped if more than half of
    its traces say that it is contradictory or incomplete, or that it has no answer or several answers. No model is
    needed. The input is read twice.
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
