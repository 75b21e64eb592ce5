"""`promptcot label`: the answer that the traces of each problem agree on, and what can be learned from them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from promptcot import prompts
from promptcot.cli.console import close_books, refuse_own_output, say
from promptcot.cli.options import data_path, output_path
from promptcot.core.labelling import Band
from promptcot.core.problems import problem_of
from promptcot.core.prompts import PromptSet
from promptcot.errors import InputError, UsageError
from promptcot.grading.grader import Grader
from promptcot.records import Row, Sampling
from promptcot.stages.label import Asked, Outputs, Writer, survey
from promptcot.stages.solve import Solve
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output

_SHARE = click.FloatRange(0, 1)
_FILE = click.Path(path_type=Path)


@click.command("label")
@data_path("Traces, one row for each, as `solve` writes them.")
@output_path("One row for each problem: its own fields and `label`, `agreement`, `margin`, `n`, `pass_rate` …")
@click.option("--min-agreement", type=_SHARE, default=0.0, show_default=True, help="Of the answers, how many agree.")
@click.option("--min-pass-rate", type=_SHARE, default=0.0, show_default=True, help="Of the traces; below is too hard.")
@click.option("--max-pass-rate", type=_SHARE, default=1.0, show_default=True, help="Of the traces; above is too easy.")
@click.option("--sft-path", type=_FILE, help="Write the whole traces that agree with the label here, as training rows.")
@click.option("--pairs-path", type=_FILE, help="Write one right and one wrong trace of each problem here.")
@click.option("--rl-path", type=_FILE, help="Write prompt and verifiable answer of each labelled problem here.")
@click.option("--style", help="The form of the prompt in training rows, as in `solve`: deepseek-r1, qwq, or row.")
@click.option("--prompts", "domain", default="math", show_default=True, help="The folder of prompts.")
@click.option("--seed", type=click.IntRange(min=0), default=8000, show_default=True, help="Of the choice of pairs.")
@click.option(
    "--limit", type=click.FloatRange(0, min_open=True), default=5.0, show_default=True, help="Seconds a comparison."
)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Grading processes.")
def command(data_path: Path, output_path: Path, **options: Any) -> int:
    """Label each problem with the answer that most of its traces give.

    Problems without any answer, and ties, stay unlabelled and are dropped with the reason. Labels need no
    model: the traces that `solve` wrote are read twice.
    """
    band = Band(options["min_agreement"], options["min_pass_rate"], options["max_pass_rate"])
    if band.min_pass_rate > band.max_pass_rate:
        raise UsageError("--min-pass-rate is above --max-pass-rate, so no problem could be kept")
    targets = {name: options[f"{name}_path"] for name in ("sft", "pairs", "rl") if options[f"{name}_path"]}
    _refuse_one_name_twice(data_path, [output_path, *targets.values()])
    loaded = prompts.load(options["domain"])
    with Grader(options["workers"], options["limit"]) as grader:
        found = asyncio.run(survey(data_path, grader))
        say(f"label: {len(found.problem):,} traces of {len(found.labels):,} problems")
        if found.undecided:
            say(f"label: {found.undecided:,} pairs of answers took too long to compare, and count as different")
        writer = Writer(found, band, _asks(loaded, options["style"]), _verifies(grader), options["seed"])
        told = {"data_path": data_path, "output_path": output_path, **options}
        return _write(writer, data_path, output_path, targets, manifest(told, loaded.hashes, {}))


def _refuse_one_name_twice(source: Path, targets: list[Path]) -> None:
    for target in targets:
        refuse_own_output([source], target)
    if len({target.resolve() for target in targets}) < len(targets):
        raise UsageError("two outputs have the same name; give each a file of its own")


def _write(writer: Writer, source: Path, target: Path, others: Mapping[str, Path], recipe: dict[str, Any]) -> int:
    with ExitStack() as held:
        labels = held.enter_context(Output(target, "label"))
        extra = {name: held.enter_context(Output(path, name)) for name, path in others.items()}
        writer.write(source, Outputs(labels, **extra))
        for output in extra.values():
            output.commit()
        labels.commit(recipe)
        for output in extra.values():
            close_books(output.path, [output.counts])
        return close_books(target, [labels.counts])


def _asks(loaded: PromptSet, style: str | None) -> Callable[[Row], Asked]:
    """How rows are put to a student: the raw prompt as `solve` has it, the question as its chat has it."""
    stage = Solve(loaded, Sampling(), 0, style=style)

    def asked(row: Row) -> Asked:
        [request] = stage.ask({"sample": 0, **row, "id": row.get("id")})
        [*_, question] = loaded.messages("solve", problem=problem_of(row, f"row {row.get('id')}"))
        return Asked(request.prompt, question.content)

    return asked


def _verifies(grader: Grader) -> Callable[[str], bool]:
    def verifiable(label: str) -> bool:
        try:
            grader.check_gold(label)
        except InputError:
            return False
        return True

    return verifiable
