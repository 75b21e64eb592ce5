"""`promptcot chain`: the steps of a chain that have no verb of their own."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from promptcot import domains
from promptcot.chains.closing import Student, Students, combination, side_by_side, written
from promptcot.chains.rows import freshness, mismatched
from promptcot.cli.help import VerbGroup
from promptcot.cli.options import data_path, output_path, seed_option
from promptcot.cli.parameters import (
    CARD,
    EVAL_RECIPE,
    RUN_FOLDER,
    SOURCE,
    TARGET_ALONE,
    changes_option,
)
from promptcot.cli.report.chain import generator_lines, student_lines
from promptcot.cli.report.console import print_summary, say, say_all
from promptcot.cli.report.result import RESULT
from promptcot.core.columns import Columns
from promptcot.core.problems import problem_of
from promptcot.core.statistics import SourceTally
from promptcot.errors import InputError
from promptcot.evaluation.grades import draws, graded_samples
from promptcot.evaluation.recipe import load_eval
from promptcot.evaluation.references import references
from promptcot.evaluation.results import file_name
from promptcot.grading.graders import Graders
from promptcot.pipeline.paths import benchmark_files
from promptcot.pipeline.synchronous import wait_for
from promptcot.records import Row, derive_seed
from promptcot.storage.atomic import write_json
from promptcot.storage.json import loads
from promptcot.storage.manifest import manifest
from promptcot.storage.outputs import Output
from promptcot.storage.overlap import Written, check_paths
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows, with_ids
from promptcot.storage.sources import is_file

_WORKERS = 2
_ON_THE_CARD = {"before": "before: {}", "after": "this model", "control": "control, trained on mismatched traces"}


numbers_path = click.option(
    "--output-path", required=True, type=TARGET_ALONE, help="Output: a JSON file with all numbers."
)


@click.group("chain", cls=VerbGroup, example="promptcot run distill-nano --dry-run")
def command() -> None:
    """Run single steps of chains. `promptcot run distill-nano` runs a whole chain, and prints each of its commands."""


@command.command(
    "fresh",
    example="promptcot chain fresh --data-path train.jsonl --output-path fresh.jsonl --eval-recipe nano",
    groups={"Benchmarks": ("eval_recipe", "changes")},
)
@data_path("Rows with a `problem` or a `prompt`, or a known data set.")
@output_path("Output: the rows without repeated problems and without problems of the benchmarks.")
@click.option("--eval-recipe", type=EVAL_RECIPE, required=True, help="Evaluation recipe whose benchmarks are held out.")
@changes_option(help="Override one key of that recipe.")
def fresh(data_path: Path, output_path: Path, eval_recipe: str, changes: tuple[str, ...]) -> int:
    """Remove problems of the benchmarks on which a student will be evaluated, and problems that contain one of these.

    Problems that differ from a benchmark problem only in numbers are kept; `promptcot decontaminate` removes these,
    too.
    """
    benchmarks = load_eval(eval_recipe, changes).benchmarks
    check_paths(benchmark_files(benchmarks), [Written.of(output_path, "file")])
    why_not = freshness(references(benchmarks))

    def decide(row: Row, number: int) -> Row | str:
        return why_not(problem_of(row, f"{data_path}, row {number}")) or row

    told = {"data_path": data_path, "benchmarks": benchmarks}
    rows = (row for _, row in Columns(tell=say).problems(read_rows(data_path)))
    return _write(output_path, "fresh", rows, decide, told)


@command.command("mismatch", example="promptcot chain mismatch --data-path sft.jsonl --output-path mismatched.jsonl")
@data_path("Training rows, as written by `label`.")
@output_path("Output: the same number of rows, each with the trace of a problem with another label.")
@seed_option("Random seed for pairing problems with traces.")
def mismatch(data_path: Path, output_path: Path, seed: int) -> int:
    """Make training rows for a control experiment: each trace is used once, but for the wrong problem."""
    rows = mismatched(list(read_rows(data_path)), random.Random(derive_seed(seed, "mismatch")))
    told = {"data_path": data_path, "seed": seed}
    return _write(output_path, "mismatch", rows, lambda row, _: row, told)


def _write(
    target: Path,
    name: str,
    rows: Iterable[Row],
    decide: Callable[[Row, int], Row | str],
    told: Mapping[str, Any],
) -> int:
    with Output(target, name) as output:
        for index, row in enumerate(rows):
            result = decide(row, index + 1)
            output.add(index, row, result)
        output.commit(manifest(told, {}, {}))
        return print_summary(target, [output.counts])


@command.command(
    "students",
    example="promptcot chain students --before out/eval-before --after out/eval-after --output-path students.json",
    groups={"Evaluations": ("before", "after", "control", "model_path")},
)
@click.option(
    "--before", type=RUN_FOLDER, required=True, help="Output directory of `eval` for the student before training."
)
@click.option(
    "--after", type=RUN_FOLDER, required=True, help="Output directory of `eval` for the student after training."
)
@click.option(
    "--control", type=RUN_FOLDER, help="Output directory of `eval` for a student trained on mismatched traces."
)
@click.option(
    "--model-path",
    type=CARD,
    help="Folder of the trained model; the results are added to its model card.  [default: no card is changed]",
)
@numbers_path
def students(model_path: Path | None, output_path: Path, **folders: Path | None) -> int:
    """Compare evaluations of a student before and after training, with gains paired by problem."""
    evaluated = [_Evaluated(which, folder) for which, folder in folders.items() if folder is not None]
    common = [name for name in evaluated[0].benchmarks if all(name in one.benchmarks for one in evaluated)]
    if not common:
        raise InputError(f"{', '.join(str(one.folder) for one in evaluated)} have no benchmark in common")
    found = [side_by_side([one.student(name) for one in evaluated], draws(name)) for name in common]
    for one in found:
        say()
        say_all(student_lines(one))
    _write_numbers(output_path, {"benchmarks": {one.benchmark: one.as_json() for one in found}})
    if model_path is not None:
        _add_to_card(model_path, found)
    return 0


class _Evaluated:
    """An output directory of `eval`."""

    def __init__(self, which: str, folder: Path) -> None:
        self.which, self.folder = which, folder
        path = folder / "results.json"
        if not path.is_file():
            raise InputError(f"{path}: no such file; `promptcot eval` writes it into its --output-dir")
        try:
            told = loads(path.read_bytes())
            self.benchmarks, recipe = list(told["benchmarks"]), told["recipe"]
            self._model, self._unboxed = str(recipe["model"]["model"]), bool(recipe["unboxed"])
            self._verifiers = {
                "named": recipe.get("verifier"),
                "default": domains.settings(recipe.get("prompts", domains.DEFAULT)).verifier,
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: these are not the results of an evaluation") from error

    def student(self, benchmark: str) -> Student:
        """Its samples on one benchmark; grades that `eval` stored are reused."""
        file = self.folder / f"{file_name(benchmark)}.jsonl"
        with Graders(_WORKERS, **self._verifiers) as graders:
            tallies = wait_for(graded_samples(file, graders, self._unboxed))
        samples = tallies[benchmark] if benchmark in tallies else SourceTally(benchmark)
        return Student(self.which, self._model, samples)


def _add_to_card(model: Path, found: list[Students]) -> None:
    from promptcot.training.saving import add_results

    names = {which: _ON_THE_CARD[which].format(name) for which, name in found[0].models.items()}
    add_results(model, [result for one in found for result in one.for_card(names)])
    RESULT.wrote(model / "README.md")
    say(f"         {model / 'README.md'}")


@command.command(
    "generators",
    example="promptcot chain generators --prompts-path combinations.jsonl --trained-on train.jsonl --before "
    "before.jsonl --after after.jsonl --output-path generators.json",
    groups={"Prompts and completions": ("prompts_path", "trained_on", "before", "after", "nano")},
)
@click.option("--prompts-path", type=SOURCE, required=True, help="Prompts, as written by `sample`.")
@click.option(
    "--trained-on",
    type=SOURCE,
    required=True,
    help="Training rows; prompts with the same concepts and level do not count as new.",
)
@click.option("--before", type=SOURCE, required=True, help="Output of `generate` with the untrained model.")
@click.option("--after", type=SOURCE, required=True, help="Output of `generate` with the trained model.")
@click.option("--nano", is_flag=True, help="The problems are those of nano models: also count how many are well-posed.")
@numbers_path
def generators(prompts_path: Path, trained_on: Path, nano: bool, output_path: Path, **files: Path) -> int:
    """Count how many completions can be parsed before and after the training of a generator.

    New prompts, whose concepts and level occur together in no training row, are also counted separately.
    """
    prompts, seen = list(with_ids(read_rows(prompts_path))), {combination(row) for row in read_rows(trained_on)}
    new = [row for row in prompts if combination(row) not in seen]
    found = {}
    for which, file in files.items():
        problems = {row["id"]: row for row in with_ids(read_rows(file, may_be_empty=True))}
        failed = _failed(file)
        for name, rows in ((which, prompts), (f"{which}, new prompts", new)):
            found[name] = written([row for row in rows if row["id"] not in failed], problems, nano=nano)
    say()
    say_all(generator_lines(found))
    _write_numbers(output_path, {name: one.as_json() for name, one in found.items()})
    return 0


def _write_numbers(path: Path, found: dict[str, Any]) -> None:
    write_json(path, found)
    RESULT.add(numbers=found)
    RESULT.wrote(path)
    say(f"\nwritten: {path}")


def _failed(file: Path) -> set[str]:
    """The prompts whose requests failed; they are no evidence about the model."""
    failed = beside(file, "failed.jsonl")
    return {row["id"] for row in with_ids(read_rows(failed))} if is_file(failed) else set()
