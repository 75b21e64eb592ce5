"""`promptcot plan`: estimates GPU-hours, storage, wall time and cost for a number of accepted problems.

Decides which run directory is looked at and what the options mean. The arithmetic is `promptcot.planning`'s, the words
are `cli.report.plan`'s.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from promptcot.cli import known
from promptcot.cli.help import verb
from promptcot.cli.known import completing
from promptcot.cli.parameters import COUNT, RECIPE, RUN_FOLDER, WHOLE, changes_option
from promptcot.cli.report.console import say_all
from promptcot.cli.report.plan import Made, lines
from promptcot.cli.report.result import RESULT
from promptcot.core.units import counted
from promptcot.errors import UsageError
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.waves import first_wave, next_wave
from promptcot.planning.flow import Plan, make_plan
from promptcot.planning.measured import ENOUGH, Found, has_enough, read_run
from promptcot.planning.rates import resolve, with_rates
from promptcot.planning.supply import Supply, try_out
from promptcot.recipe.loading import load
from promptcot.recipe.recipe import Recipe
from promptcot.stages.sample import make_sampler

_DRAWS = 20_480


@verb(
    "plan",
    example="promptcot plan promptcot --target 1000 --gpus 8",
    groups={
        "What to plan for": ("target", "until", "with_solve", "gpus", "draws"),
        "Rates": ("run_directory", "run_gpus", "other_rates"),
    },
)
@click.argument("recipe", type=RECIPE)
@click.option("--target", type=COUNT, required=True, help="Number of accepted problems to plan for.")
@click.option("--gpus", type=WHOLE, required=True, help="Number of GPUs; 0 if all models are hosted elsewhere.")
@click.option(
    "--run",
    "run_directory",
    type=RUN_FOLDER,
    help=f"Run directory to measure rates in.  [default: out/RECIPE, if it has {ENOUGH} combinations or more]",
)
@click.option(
    "--run-gpus",
    type=COUNT,
    help=(
        "Number of GPUs that each model had in that run; needed to measure the GPU-hours of models that the run "
        "itself served."
    ),
)
@click.option(
    "--rates",
    "other_rates",
    metavar="NAME",
    help="Use the recipe's alternative rates of this name, such as fp8. They take precedence over measured rates.",
)
@click.option(
    "--until",
    metavar="STEP",
    shell_complete=completing(known.steps),
    help="Plan up to this step, as in `run --until`.  [default: all steps]",
)
@click.option(
    "--solve/--no-solve",
    "with_solve",
    default=None,
    help="Include or exclude the traces of the solver.  [default: the recipe's]",
)
@changes_option(
    "Override one key of the recipe, such as plan.gpu_hour=2.5. A rate that is set takes precedence over a measured "
    "one."
)
@click.option(
    "--draws",
    type=COUNT,
    default=_DRAWS,
    show_default=True,
    help="Number of trial draws for estimating how many combinations the concepts can yield.",
)
def command(recipe: str, run_directory: Path | None, changes: tuple[str, ...], **options: Any) -> int:
    """Estimate the GPU-hours, storage, wall time and cost of a number of accepted problems.

    RECIPE is the name of a shipped recipe or a TOML file. Rates come from a run directory, or else from the section
    [plan] of the recipe; each is shown with its source. A rate that is neither measured nor stated is n/a, and so is
    everything that depends on it.
    """
    given, resolved = _given(changes), load(recipe, changes)
    if options["other_rates"] is not None:
        resolved, given = with_rates(resolved, options["other_rates"], given)
    resolved = _up_to(options["until"], resolved, with_solve=options["with_solve"])
    found, origin = _find(resolved, run_directory, options["run_gpus"], may_accept_none="plan.filter.kept" in given)
    rates = resolve(resolved, found.stages if found else {}, given, with_solve=bool(options["with_solve"]))
    supply, has_vectors = _supply(resolved, run_directory or Path("out") / resolved.name, options["draws"])
    plan = make_plan(rates, options["target"], options["gpus"], supply)
    origin += (
        f"; the rates in plan.rates.{other} take precedence over both" if (other := options["other_rates"]) else ""
    )
    made = Made(resolved.name, plan, rates, found, origin, supply, has_vectors, _waves(resolved, plan))
    RESULT.add(**as_numbers(made))
    say_all(lines(made))
    return 0


def _up_to(until: str | None, recipe: Recipe, *, with_solve: bool | None) -> Recipe:
    """The recipe up to the step `until`, as with `run --until`; or without the traces and the steps after them.

    Raises UsageError for a step that it does not have, or that does not give problems.
    """
    steps = ["filter", *recipe.set_steps]
    if until is not None and (until not in steps or until == "solve"):
        known = ", ".join(step for step in steps if step != "solve")
        raise UsageError(f"--until {until}: a plan is for the problems that pass one of these steps: {known}")
    last = steps.index(until) if until else len(steps) - 1
    if with_solve is False and "solve" in steps:
        last = min(last, steps.index("solve") - 1)
    return recipe.model_copy(update=dict.fromkeys(steps[last + 1 :]))


def as_numbers(made: Made) -> dict[str, Any]:
    """The plan for `--json`."""
    plan, rates, found, supply = made.plan, made.rates, made.found, made.supply
    asked = {stage.name: {"calls": stage.calls, **stage.rates} for stage in rates}
    return {
        "recipe": made.recipe,
        "gpu": rates.gpu or None,
        "measured_in": str(found.directory) if found else None,
        "notes": found.notes if found else (),
        **asdict(plan),
        **{name: getattr(plan, name) for name in ("gpu_hours", "storage", "money")},
        "waves": made.waves,
        "supply": {**asdict(supply), "new": supply.new, "reach": supply.reach},
        "rates": {
            "sample": rates.sample,
            **asked,
            "filter": rates.filter,
            **{step.name: {**step.rates, **asked.get(step.name, {})} for step in rates.behind},
            "driver": rates.driver,
            "gpu_hour": rates.gpu_hour,
        },
    }


def _given(changes: tuple[str, ...]) -> list[str]:
    """The keys changed with --set. Raises UsageError for a new value beside the source of the old one."""
    keys = [change.partition("=")[0].strip() for change in changes]
    for key in keys:
        if key.startswith("plan.") and key.endswith(".value"):
            short = key.removesuffix(".value")
            raise UsageError(
                f"--set {key}: the source that the recipe gives refers to the old value. Set {short} with a source of "
                f"its own: --set {short}=V, or "
                f"--set '{short}={{value=V, source=\"…\"}}'"
            )
    return [key for key in keys if key.startswith("plan.")]


def _find(
    recipe: Recipe, directory: Path | None, gpus: int | None, *, may_accept_none: bool
) -> tuple[Found | None, str]:
    """The measured rates, if there are any, and a sentence on their origin."""
    usual = Path("out") / recipe.name
    if directory is not None or has_enough(usual):
        found = read_run(directory or usual, recipe, gpus, may_accept_none=may_accept_none)
        return (
            found,
            f"measured in {found.directory} ({counted(found.combinations, 'combination')}); other rates as stated in "
            "the recipe",
        )
    if gpus is not None:
        raise UsageError(f"--run-gpus: {usual} contains no run to measure; name another run with --run")
    return None, f"as stated in the recipe; {usual} holds no finished run of {ENOUGH} combinations or more"


def _supply(recipe: Recipe, directory: Path, draws: int) -> tuple[Supply, bool]:
    """An estimate of how many combinations the concepts can yield; embeddings are used if they exist."""
    inputs = Inputs(recipe, directory)
    vectors = inputs.existing_vectors
    found = try_out(make_sampler(inputs.table, vectors, recipe.sample), recipe.seed, draws)
    return found, vectors is not None or recipe.encode.skip


def _waves(recipe: Recipe, plan: Plan) -> tuple[int, ...]:
    """The waves that turns take with --target on one machine, if the accepted share is what is planned with."""
    if plan.accepted is None:
        return ()
    limits = recipe.run.model_copy(update={"target": plan.target, "max_candidates": None})
    waves = [first_wave(limits)]
    while (wave := next_wave(limits, waves[-1], int(waves[-1] * plan.accepted.value))) is not None:
        waves.append(wave)
    return tuple(waves)
