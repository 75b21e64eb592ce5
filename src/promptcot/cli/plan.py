"""`promptcot plan`: hours, bytes, wall time and money for so many accepted problems, before anything is rented.

Decides which run directory is looked at and what the options mean. The arithmetic is `promptcot.planning`'s, the words
are `cli.report.plan`'s.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from promptcot.cli.parameters import COUNT, FILE_OR_NAME, RUN_FOLDER, WHOLE, changes_option
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


@click.command("plan")
@click.argument("recipe", type=FILE_OR_NAME)
@click.option("--target", type=COUNT, required=True, help="Accepted problems.")
@click.option("--gpus", type=WHOLE, required=True, help="GPUs to plan with; 0 where all models are hosted.")
@click.option(
    "--run",
    "run_directory",
    type=RUN_FOLDER,
    help=f"A run directory to measure rates in.  [default: out/NAME of the recipe, with {ENOUGH} combinations or more]",
)
@click.option("--run-gpus", type=COUNT, help="The GPUs that each model of that run had.")
@click.option(
    "--rates",
    "other_rates",
    metavar="NAME",
    help="Plan with the rates of this name that the recipe has beside its own, such as fp8. They go before measured "
    "ones.",
)
@click.option("--until", metavar="STEP", help="Plan for the rows of this step, as `run --until` gives them.")
@click.option(
    "--solve/--no-solve",
    "with_solve",
    default=None,
    help="Count the traces of a teacher, too.  [default: as the recipe has them]",
)
@changes_option(
    "Change one key of the recipe, such as plan.gpu_hour=2.5; may be repeated. A rate that is set goes before a "
    "measured one."
)
@click.option(
    "--draws",
    type=COUNT,
    default=_DRAWS,
    show_default=True,
    help="Trial draws from the concepts: how many combinations they can give.",
)
def command(recipe: str, run_directory: Path | None, changes: tuple[str, ...], **options: Any) -> int:
    """What RECIPE (a shipped name or a TOML file) takes for so many accepted problems.

    Rates come from a run directory, else from the section [plan] of the recipe. Each is shown with its origin; what is
    neither measured nor stated is n/a, and so is what follows from it.
    """
    given, resolved = _given(changes), load(recipe, changes)
    if options["other_rates"] is not None:
        resolved, given = with_rates(resolved, options["other_rates"], given)
    resolved = _up_to(options["until"], resolved, with_solve=options["with_solve"])
    found, origin = _find(resolved, run_directory, options["run_gpus"], may_accept_none="plan.filter.kept" in given)
    rates = resolve(resolved, found.stages if found else {}, given, with_solve=bool(options["with_solve"]))
    supply, has_vectors = _supply(resolved, run_directory or Path("out") / resolved.name, options["draws"])
    plan = make_plan(rates, options["target"], options["gpus"], supply)
    origin += f"; before both, those of plan.rates.{other}" if (other := options["other_rates"]) else ""
    made = Made(resolved.name, plan, rates, found, origin, supply, has_vectors, _waves(resolved, plan))
    RESULT.add(**as_numbers(made))
    say_all(lines(made))
    return 0


def _up_to(until: str | None, recipe: Recipe, *, with_solve: bool | None) -> Recipe:
    """The recipe without the steps behind `until`, as `run --until` ends, or behind the last before the traces.

    Raises UsageError for a step that it does not have, or that does not give problems.
    """
    steps = ["filter", *recipe.set_steps]
    if until is not None and (until not in steps or until == "solve"):
        known = ", ".join(step for step in steps if step != "solve")
        raise UsageError(f"--until {until}: a plan is for the problems that come through one of {known}")
    last = steps.index(until) if until else len(steps) - 1
    if with_solve is False and "solve" in steps:
        last = min(last, steps.index("solve") - 1)
    return recipe.model_copy(update=dict.fromkeys(steps[last + 1 :]))


def as_numbers(made: Made) -> dict[str, Any]:
    """What `--json` prints."""
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
    """The keys that are set for this plan. Raises UsageError for a value that would keep another one's source."""
    keys = [change.partition("=")[0].strip() for change in changes]
    for key in keys:
        if key.startswith("plan.") and key.endswith(".value"):
            short = key.removesuffix(".value")
            raise UsageError(
                f"--set {key}: the source beside it speaks of another value. Set {short} itself: --set {short}=V, or "
                f"--set '{short}={{value=V, source=\"…\"}}'"
            )
    return [key for key in keys if key.startswith("plan.")]


def _find(
    recipe: Recipe, directory: Path | None, gpus: int | None, *, may_accept_none: bool
) -> tuple[Found | None, str]:
    """What was measured, and where one looked in words."""
    usual = Path("out") / recipe.name
    if directory is not None or has_enough(usual):
        found = read_run(directory or usual, recipe, gpus, may_accept_none=may_accept_none)
        return (
            found,
            f"measured in {found.directory} ({counted(found.combinations, 'combination')}); others as stated",
        )
    if gpus is not None:
        raise UsageError(f"--run-gpus: there is no run to measure in, as {usual} holds none; say which with --run")
    return None, f"as the recipe states them; {usual} holds no finished run of {ENOUGH} combinations or more"


def _supply(recipe: Recipe, directory: Path, draws: int) -> tuple[Supply, bool]:
    """What the concepts can give, drawn with vectors where they exist already."""
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
