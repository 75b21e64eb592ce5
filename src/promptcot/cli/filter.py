"""`promptcot filter`: keeps the problems that the judges rate perfect."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from promptcot.cli.help import verb
from promptcot.cli.options import output_path, switch
from promptcot.cli.parameters import COUNT, Touches, shard_option
from promptcot.cli.report.agreement import agreement_lines
from promptcot.cli.report.console import print_summary, say_all
from promptcot.cli.report.result import RESULT
from promptcot.core.shards import Shard
from promptcot.pipeline.shards import part_of
from promptcot.stages.filter import filter_files
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output
from promptcot.storage.overlap import Read
from promptcot.storage.paths import url_of

_COMPANION = re.compile(r"\.(failed|dropped)\.jsonl$")


class Template(click.ParamType[str], Touches):
    """Output files of `judge`: one file, a template with `{}` for their numbers, or a glob pattern."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail("this names no file", param, ctx)
        return str(value)

    def reads(self, value: Any, options: Mapping[str, Any]) -> Iterator[Read]:
        return map(Read, _files((value,), options["n_rewards"]))


@verb(
    "filter",
    example="promptcot filter --template judged-{}.jsonl --n-rewards 1 --output-path accepted.jsonl",
    groups={"Which problems pass": ("only_perfect", "n_rewards")},
)
@click.option(
    "--template",
    type=Template(),
    multiple=True,
    required=True,
    metavar="FILE",
    help="File written by `judge`; `{}` in its name stands for 0, 1, 2, ..., --n-rewards - 1.",
)
@output_path("Output: accepted rows, with `prompt`, the generator's `completion` and all other fields.")
@switch(
    "--only-perfect",
    "Keep only problems that all judges rate perfect. Otherwise one perfect and no bad verdict are enough.",
    default=True,
)
@click.option(
    "--n-rewards", type=COUNT, help="Number of verdicts that each row must have.  [default: the number of files]"
)
@shard_option
def command(
    template: tuple[str, ...], output_path: Path, only_perfect: bool, n_rewards: int | None, shard: Shard | None
) -> int:
    """Keep the problems that the judges rate perfect. Verdicts are joined by the id of the row."""
    paths = _files(template, n_rewards)
    part = part_of(shard, paths, output_path)
    with Output(output_path, "filter") as output:
        agreements = filter_files(paths, output, only_perfect, n_rewards, part)
        settings = {"template": list(template), "only_perfect": only_perfect, "n_rewards": n_rewards or len(paths)}
        output.commit({**manifest(settings, {}, {}), **part.told()})
        RESULT.add(agreement=agreements.summary())
        say_all(agreement_lines(agreements))
        return print_summary(output_path, [output.counts])


def _files(templates: tuple[str, ...], n_rewards: int | None) -> list[Path]:
    paths: list[Path] = []
    for template in templates:
        if "{}" in template and n_rewards is None:
            raise click.UsageError("a template with {} needs --n-rewards, the number of judges")
        if "*" in template and url_of(template):
            raise click.UsageError(f"{template}: `*` finds files on this machine only; repeat --template for each file")
        if "{}" in template:
            paths += [Path(template.replace("{}", str(number))) for number in range(n_rewards or 1)]
        else:
            found = [Path(name) for name in sorted(glob.glob(template)) if not _COMPANION.search(name)]
            paths += found or [Path(template)]
    return paths
