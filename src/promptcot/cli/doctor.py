"""`promptcot doctor`: checks whether a run would work here, and prints the findings.

Decides what is looked at for which arguments, and how a finding looks; what is found is decided in `promptcot.doctor`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from promptcot.cli.help import verb
from promptcot.cli.parameters import COUNT, MODEL_OR_NAME, RECIPE, RUN_FOLDER, changes_option
from promptcot.cli.report.console import say
from promptcot.cli.report.layout import hanging
from promptcot.cli.report.result import RESULT
from promptcot.core.units import counted
from promptcot.doctor.findings import Finding, note, ok, problem_of
from promptcot.doctor.machine import look_at_machine, needed_by
from promptcot.doctor.models import Asked, look_at_fit, look_at_model, models_of
from promptcot.doctor.trial import try_rows
from promptcot.errors import PromptCoTError, UsageError
from promptcot.pipeline.inputs import Inputs
from promptcot.pipeline.synchronous import wait_for
from promptcot.recipe.loading import load, parse
from promptcot.recipe.recipe import Recipe

_COLORS = {"ok": "green", "note": "yellow", "problem": "red"}


@verb(
    "doctor",
    example="promptcot doctor endpoint --base-url http://127.0.0.1:8000/v1",
    groups={"What to check": ("base_url", "model", "api_key_env", "output_dir", "trial", "rows")},
)
@click.argument("recipe", required=False, type=RECIPE)
@click.option(
    "--base-url", metavar="URL", multiple=True, help="Server to check, http://HOST:PORT/v1.  [default: the recipe's]"
)
@click.option(
    "--model",
    "--model-path",
    "model",
    type=MODEL_OR_NAME,
    help="Model to request from the server; with RECIPE, the model of all steps that have none.  [default: the "
    "recipe's]",
)
@click.option(
    "--api-key-env",
    metavar="VARIABLE",
    help="Environment variable that holds the server's API key.  [default: the recipe's]",
)
@click.option(
    "--output-dir",
    type=RUN_FOLDER,
    help="Directory that the run will write to; its disk is checked, and embeddings found there are used.  [default: "
    "out/RECIPE]",
)
@changes_option()
@click.option("--rows", type=COUNT, default=3, show_default=True, help="Number of rows in the trial.")
@click.option("--trial/--no-trial", default=True, help="Process a few rows with the recipe's models.  [default: trial]")
def command(recipe: str | None, output_dir: Path | None, changes: tuple[str, ...], **options: Any) -> int:
    """Check whether a run would work here: the machine, the models and servers of RECIPE, and a trial of a few rows.

    Without RECIPE, only the machine and the server at --base-url (or else the embedded models) are checked, without a
    trial. The exit code is 1 if a problem was found.
    """
    server = {"base_url": list(options["base_url"]) or None, **{key: options[key] for key in ("model", "api_key_env")}}
    overrides = {f"server.{key}": value for key, value in server.items()}
    alone = recipe is None and bool(server["base_url"] or server["model"])
    if alone and changes:
        raise UsageError(
            "--set changes a recipe, and no recipe is named: write, for example, `promptcot doctor endpoint "
            "--base-url …`"
        )
    resolved = _server_alone(server) if alone else load(recipe or "nano", changes, overrides)
    examination = _Examination(resolved, output_dir or Path("out") / resolved.name, alone)
    return wait_for(examination.all(options["rows"] if recipe is not None and options["trial"] else 0))


def _server_alone(server: Mapping[str, Any]) -> Recipe:
    """A recipe that uses one model for all steps, for a command line without RECIPE."""
    given = {key: value for key, value in server.items() if value is not None}
    return parse({"name": "doctor", "server": given, "encode": {"skip": True}, "judge": [{"name": "it"}]}, "options")


@dataclass
class _Examination:
    """Runs all checks of one recipe and prints each finding at once. `alone`: the command line named no recipe."""

    recipe: Recipe
    output: Path
    alone: bool
    problems: int = field(default=0, init=False)
    _about: str = field(default="", init=False)

    async def all(self, rows: int) -> int:
        """Run all checks, and a trial unless `rows` is 0; returns the exit code."""
        models = models_of(Inputs(self.recipe, self.output).steps)
        say("machine")
        self._about = "machine"
        self._show(look_at_machine(needed_by(self.recipe, [asked.spec for asked in models]), self.output))
        for asked in models:
            await self._model(asked)
        if fit := list(look_at_fit(self.recipe, models)):
            self._about = "all models"
            say("\nall models")
            self._show(fit)
        if rows:
            await self._trial(rows)
        count = counted(self.problems, "problem") if self.problems else "no problem"
        RESULT.add(problems=self.problems)
        say(f"\n{count} found")
        return 1 if self.problems else 0

    async def _model(self, asked: Asked) -> None:
        name = "the model" if self.alone else ", ".join(asked.steps)
        model = "the server's only model" if asked.spec.unnamed else asked.spec.model
        self._about = name
        say(f"\n{name}: {model}")
        try:
            self._show(look_at_model(asked))
        except PromptCoTError as error:
            self._show([problem_of(error)])
        if asked.kind == "openai":
            from promptcot.doctor.servers import look_at_servers

            async for finding in look_at_servers(asked, both=self.alone):
                self._show([finding])

    async def _trial(self, rows: int) -> None:
        self._about = "trial"
        count = counted(rows, "row")
        say(f"\nrecipe {self.recipe.name}: a trial of {count} (loading a large model takes minutes)")
        if self.problems:
            self._show([note("not tried: fix the problems above first")])
            return
        inputs = Inputs(self.recipe, self.output)
        try:
            self._show([ok(f"{counted(len(inputs.table), 'distinct concept')} in {self.recipe.concepts.path}")])
        except PromptCoTError as error:
            self._show([problem_of(error)])
            return
        async for finding in try_rows(self.recipe, rows, inputs.existing_vectors):
            self._show([finding])

    def _show(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.problems += finding.mark == "problem"
            RESULT.append("findings", {"about": self._about, **asdict(finding)})
            say(_words(finding), f"  {finding.mark:<9}", _COLORS[finding.mark])


def _words(finding: Finding) -> str:
    """The finding and its remedy, wrapped with a hanging indent. Paths and URLs are not broken."""
    text = " ".join(finding.what.split()) + (f" → {finding.way_out}" if finding.way_out else "")
    return hanging(" " * 11, text)[11:]
