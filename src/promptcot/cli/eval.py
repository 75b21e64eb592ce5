"""`promptcot eval`: benchmarks solved and graded with the settings of a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from promptcot import domains, nano
from promptcot.cli.cluster_options import cluster_options, take_scale
from promptcot.cli.options import EngineName, keep_going
from promptcot.cli.parameters import COUNT, FILE_OR_NAME, MODEL_OR_NAME, TARGET_FOLDER, changes_option, verifier_option
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


@click.command("eval")
@click.argument("recipe", required=False, type=FILE_OR_NAME)
@click.option("--output-dir", type=TARGET_FOLDER, help="Where everything goes.  [default: out/eval-NAME of the recipe]")
@click.option(
    "--benchmarks",
    multiple=True,
    type=FILE_OR_NAME,
    help="Names or files instead of the recipe's; repeatable, or with commas.",
)
@click.option("--n", type=COUNT, help="Traces of each problem.")
@click.option("--limit-rows", type=COUNT, help="Only the first N problems of each benchmark.")
@click.option("--base-url", multiple=True, help="An OpenAI-compatible server that has the model.")
@click.option("--model", type=MODEL_OR_NAME, help="Another model than the recipe's.")
@click.option("--engine", type=EngineName(), help="Who serves the model, as in `solve`.")
@verifier_option
@changes_option()
@cluster_options
@keep_going
@click.option("--strict", is_flag=True, help="Stop where no answer could be right by the gold of a problem.")
@click.option("--dry-run", is_flag=True, help="Show the first prompt and the counts; call no model.")
def command(recipe: str | None, output_dir: Path | None, **options: Any) -> int:
    """Have a model solve benchmarks, grade it, and set the results beside the published ones.

    RECIPE is a shipped name or a TOML file; by default nano, which is for the embedded models, or endpoint where a
    --base-url is given. Run the same command again after an interruption: finished calls are not repeated.
    Problems by whose gold no answer could be right are counted and left out; exit code 3 then.
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
    """The recipe where none is named: a server's model is not asked in the words of the embedded ones."""
    return "endpoint" if options["base_url"] and not nano.is_nano(options["model"] or "") else "nano"


def _preview(evaluation: Evaluation) -> None:
    """What would be done."""
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
