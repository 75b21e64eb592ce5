"""`promptcot eval`: solves and grades benchmarks with the settings of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from promptcot import domains, nano
from promptcot.cli.cluster_options import cluster_options, take_scale
from promptcot.cli.help import verb
from promptcot.cli.options import EngineName, keep_going
from promptcot.cli.parameters import (
    BENCHMARK,
    COUNT,
    EVAL_RECIPE,
    MODEL_OR_NAME,
    TARGET_FOLDER,
    changes_option,
    verifier_option,
)
from promptcot.cli.report.console import Console, exit_code, print_summary, say, say_all, warn, worst
from promptcot.cli.report.prompts import drawing, in_words
from promptcot.cli.report.result import RESULT
from promptcot.cli.report.scores import result_lines, summary_lines
from promptcot.core.units import counted
from promptcot.evaluation.recipe import load_eval
from promptcot.grading.graders import Graders
from promptcot.pipeline.evaluate import Evaluation, load_problems
from promptcot.pipeline.synchronous import wait_for

_WORKERS = 2


@verb(
    "eval",
    example="promptcot eval nano --limit-rows 20 --n 4",
    groups={"What to evaluate": ("benchmarks", "n", "limit_rows")},
)
@click.argument("recipe", required=False, type=EVAL_RECIPE)
@click.option("--output-dir", type=TARGET_FOLDER, help="Output directory.  [default: out/eval-RECIPE]")
@click.option(
    "--benchmarks",
    multiple=True,
    type=BENCHMARK,
    help="Benchmarks to use instead of the recipe's, by name or file, separated by commas.  [default: the recipe's]",
)
@click.option("--n", type=COUNT, help="Number of traces per problem.  [default: the recipe's]")
@click.option("--limit-rows", type=COUNT, help="Use only the first N problems of each benchmark.  [default: all]")
@click.option(
    "--base-url",
    metavar="URL",
    multiple=True,
    help="OpenAI-compatible server with the model, http://HOST:PORT/v1.  [default: the recipe's]",
)
@click.option("--model", type=MODEL_OR_NAME, help="Model to evaluate.  [default: the recipe's]")
@click.option("--engine", type=EngineName(), help="What serves the model, as in `solve`.  [default: the recipe's]")
@verifier_option
@changes_option()
@cluster_options
@keep_going
@click.option("--strict", is_flag=True, help="Stop if the gold answer of a problem is unusable.")
@click.option(
    "--dry-run", is_flag=True, help="Print the first prompt and the number of calls, and exit without calling a model."
)
def command(recipe: str | None, output_dir: Path | None, **options: Any) -> int:
    """Have a model solve benchmarks, grade its answers, and compare the results with published ones.

    RECIPE is the name of a shipped recipe or a TOML file. The default is nano, for the embedded models, or endpoint if
    --base-url is given. Run the same command again after an interruption: finished calls are not repeated. Problems
    whose gold answer is unusable are counted and left out; the exit code is then 3.
    """
    scale, options = take_scale(options)
    overrides: dict[str, Any] = {
        "benchmarks": [name for names in options["benchmarks"] for name in names.split(",") if name] or None,
        "n": options["n"],
        "verifier": options["verifier"],
        "model.base_url": list(options["base_url"]) or None,
        "model.model": options["model"],
        "model.engine": options["engine"],
    }
    resolved = load_eval(recipe or _default(options), options["changes"], overrides)
    directory = output_dir or Path("out") / f"eval-{resolved.name}"
    observer = Console()
    default = domains.settings(resolved.prompts).verifier
    with Graders(_WORKERS, named=resolved.verifier, default=default) as graders:
        problems = load_problems(resolved, graders, options["limit_rows"], observer, strict=options["strict"])
        evaluation = Evaluation(resolved, directory, graders, problems.asked, keep_going=options["keep_going"])
        if options["dry_run"]:
            _preview(evaluation)
            return 0
        say(f"promptcot eval: recipe {resolved.name}, seed {resolved.seed}, into {directory}")
        wait_for(evaluation.run(observer, scale))
    solved, kept = evaluation.solved.items(), options["keep_going"]
    RESULT.read(directory / "results.json")
    RESULT.wrote(*evaluation.written)
    codes = [print_summary(file, [counts], keep_going=kept) for file, counts in solved]
    say_all(_lines(evaluation))
    return worst([*codes, exit_code(nothing=False, failed=evaluation.unfit + problems.refused > 0)])


def _default(options: Mapping[str, Any]) -> str:
    """The default recipe: nano, or endpoint for a server, whose models do not know the prompts of the embedded ones."""
    return "endpoint" if options["base_url"] and not nano.is_nano(options["model"] or "") else "nano"


def _preview(evaluation: Evaluation) -> None:
    """Print the plan of an evaluation: benchmarks, number of traces, and the first prompt."""
    recipe = evaluation.recipe
    say(f"promptcot eval: recipe {recipe.name}, {recipe.model.model}, into {evaluation.directory}")
    say(drawing(recipe.model))
    for line in evaluation.notes:
        warn(line)
    for source in evaluation.problems:
        rows = evaluation.rows(source)
        RESULT.append("benchmarks", {"benchmark": source, "problems": len(rows), "traces": len(rows) * recipe.n})
        say(f"{source}: {counted(len(rows), 'problem')} × {recipe.n} = {counted(len(rows) * recipe.n, 'trace')}")
        [request] = evaluation.stage.ask({**rows[0], "sample": 0})
        said, text = in_words(recipe.model, "solver", request)
        RESULT.append("prompts", {"benchmark": source, "prompt": text})
        say(f"its first prompt{said}:")
        say("\n".join(f"  | {line}" for line in text.splitlines()))


def _lines(evaluation: Evaluation) -> Iterator[str]:
    yield from summary_lines(evaluation.recipe.name, [one.summary for one in evaluation.results])
    for one in evaluation.results:
        if one.failed:
            yield f"note: {one.benchmark}: {one.failed:,} of {counted(one.asked, 'trace')} failed and are not counted"
    yield ""
    yield from result_lines(evaluation.results)
    for path in evaluation.written:
        yield f"written: {path}"
