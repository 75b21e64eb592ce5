"""Measures rates from a run directory: rows, tokens, seconds, bytes and the accepted share, each with its n.

Reads `summary.json` and `recipe.json` of a run, and those of `solve` if it wrote `solve.jsonl` into the same folder. A
stage that used another model than the recipe names is not measured, and if any model differs, neither is the accepted
share. A run does not record its number of GPUs; without that number, seconds give no rate per GPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from promptcot import nano
from promptcot.core.units import counted
from promptcot.errors import InputError
from promptcot.pipeline.plan import sections_of
from promptcot.planning.rates import Rate
from promptcot.recipe.recipe import Recipe, step_of
from promptcot.recipe.schema import Model
from promptcot.storage.counts import BEYOND_TARGET
from promptcot.storage.json import loads

ENOUGH = 100
"""The minimum number of combinations of a run that is used automatically: with fewer, the 95 % interval of an accepted
share is wider than 20 points.
"""

_WHERE_SET = ("top_k", "min_p", "presence_penalty", "stop", "fit_levels")
"""Keys that are recorded only if they are set."""
_ASKING = ("model", "chat", "temperature", "top_p", "repetition_penalty", *_WHERE_SET, "max_tokens", "extra_body")
_DRAWING = ("size", "temperature", "counts", "levels", "fit_levels", "prompt_like")


@dataclass(frozen=True)
class Found:
    """The measurements in `directory`, over a number of combinations; `notes` are caveats."""

    directory: Path
    combinations: int
    stages: Mapping[str, Mapping[str, Rate]]
    notes: tuple[str, ...] = ()


def has_enough(directory: Path) -> bool:
    """Whether there is a finished run of enough combinations. Raises InputError for an unreadable one."""
    if not os.path.isfile(directory / "summary.json"):  # unlike Path.is_file, no error for long names
        return False
    return _rows(_stages(directory).get("sample", {})) >= ENOUGH


def read_run(directory: Path, recipe: Recipe, gpus: int | None = None, *, may_accept_none: bool = False) -> Found:
    """The measurements of a run for this recipe. `gpus` is the number of GPUs of each of its models.

    Raises InputError; by default also if nothing was accepted.
    """
    reader = _Reader(directory, recipe, gpus)
    sampled = _rows(reader.stages["sample"])
    if not sampled:
        raise InputError(f"{directory}: the run has no combinations, so it has no rates")
    if not reader.stages["filter"]["out"] and not may_accept_none:
        raise InputError(
            f"{directory}: none of its {counted(sampled, 'combination')} was accepted, so it is unknown how many "
            "a problem takes. Run more of them, or plan with a share of your own (--set plan.filter.kept=0.1)"
        )
    measured = {name: rates for name, rates in reader.measured().items() if rates}
    return Found(directory, sampled, measured, tuple(reader.notes()))


_UNFINISHED = (
    "a run writes it when it ends. Give the folder of a finished run (--run), or leave --run out to plan with the "
    "rates that the recipe states"
)
_INCOMPLETE = "it records the models of the run, and is beside summary.json"


def _stages(directory: Path) -> dict[str, Any]:
    found = _object(directory / "summary.json", _UNFINISHED).get("stages")
    if not (isinstance(found, dict) and {"sample", "generate", "filter"} <= found.keys()):
        raise InputError(f"{directory / 'summary.json'}: this is not the summary of `promptcot run`")
    return found


def _object(path: Path, why: str) -> dict[str, Any]:
    try:
        found = loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {why}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: this is not a JSON object")
    return found


def _rows(summary: Mapping[str, Any]) -> int:
    """Input rows; rows begun beyond the target do not count."""
    return int(summary.get("in", 0)) - int(summary.get("dropped", {}).get(BEYOND_TARGET, 0))


class _Reader:
    """Reads the measurements for a recipe from a run directory, with the number of GPUs of each model."""

    def __init__(self, directory: Path, recipe: Recipe, gpus: int | None) -> None:
        self.directory, self.recipe, self.gpus = directory, recipe, gpus
        self.stages = _stages(directory)
        manifest = _object(directory / "recipe.json", _INCOMPLETE)
        self.run: dict[str, Any] = manifest.get("recipe", {})
        self.names: dict[str, str] = manifest.get("models", {})
        self.models = recipe.models
        sections = sections_of(self.run)
        self.ran = {name: ran for name in self.models if name in self.stages and (ran := sections.get(name))}
        """The run's sections for the stages of the recipe."""
        self.same = {name for name, ran in self.ran.items() if ran.get("model") == self.models[name].model}
        """The stages that used the model of the recipe."""
        self.solver = recipe.plan.solve.model if recipe.plan.solve else ""
        self.has_traces = (directory / "solve.summary.json").is_file()

    def share_holds(self) -> bool:
        """Whether the run's accepted share applies to this recipe."""
        judges = {judge["name"] for judge in self.run.get("judge", [])}
        asked = {name for name in self.models if step_of(name) is None}
        return (
            self.run.get("filter", {}).get("only_perfect") == self.recipe.filter.only_perfect
            and judges == {judge.name for judge in self.recipe.judge}
            and asked <= self.same
        )

    def behind(self) -> Iterator[str]:
        """The steps after `filter` that keep the same rows as this recipe's, as long as all before them do, too."""
        if not self.share_holds():
            return
        for name in (one for one in self.recipe.set_steps if one not in ("solve", "select")):
            ours, asked = getattr(self.recipe, name).model_dump(mode="json"), {"label": "solve"}.get(name, name)
            models = {one for one in self.models if step_of(one) == asked}
            decided = {key for key in ours if key not in Model.model_fields and key not in ("voter", "semantic")}
            ran = self.run.get(name) or {}
            if name not in self.stages or not models <= self.same or any(ran.get(key) != ours[key] for key in decided):
                return
            yield name

    def measured(self) -> dict[str, dict[str, Rate]]:
        """The rates of each stage."""
        behind = [*self.behind()]
        found = {name: self._bytes(name) for name in dict.fromkeys(("sample", "filter", *self.same, *behind))}
        for name in self.same:
            found[name] |= self._call_rates(name)
        if "generate" in self.same:
            found["generate"] |= self._kept_rates("generate")
        if self.share_holds():
            found["filter"] |= self._kept_rates("filter")
        for name in behind:
            found[name] |= self._kept_rates(name)
        if (settings := self.traced()) is not None:
            found["solve"] = self._solved(int(settings.get("n", 1)))
        return found

    def _rates(self, n: int, of: str, **totals: float | None) -> dict[str, Rate]:
        """The known rates, by their units."""
        where = str(self.directory)
        return {name: Rate(total / n, "measured", where, n, of) for name, total in totals.items() if n and total}

    def _kept_rates(self, stage: str) -> dict[str, Rate]:
        return self._rates(_rows(self.stages[stage]), "rows", kept=self.stages[stage]["out"])

    def _call_rates(self, stage: str) -> dict[str, Rate]:
        """Tokens and seconds of a call. Tokens are of all calls to this model; seconds are the last process's."""
        summary = self.stages[stage]
        paid = summary.get("models", {}).get(self.names.get(stage, ""), {})
        gpus = 1 if self.models[stage].base_url else self.gpus
        return self._tokens(paid) | self._seconds(summary, gpus)

    def _tokens(self, paid: Mapping[str, Any]) -> dict[str, Rate]:
        totals = {name: paid.get(name) for name in ("prompt_tokens", "completion_tokens")}
        return self._rates(paid.get("calls", 0), "calls", **totals)

    def _seconds(self, summary: Mapping[str, Any], gpus: int | None) -> dict[str, Rate]:
        return self._rates(summary.get("calls", 0), "calls", seconds=(summary.get("seconds") or 0) * (gpus or 0))

    def _bytes(self, stage: str) -> dict[str, Rate]:
        """Bytes on disk for each input row: for a journal, those of all calls for it."""
        calls = sum(paid["calls"] for paid in self.stages[stage].get("models", {}).values())
        often = self.recipe.calls.get(stage, 1)
        files = self._size(*(f"{stage}{kind}.jsonl" for kind in ("", ".dropped", ".failed")))
        return self._rates(_rows(self.stages[stage]), "rows", file_bytes=files) | self._rates(
            calls, "calls", journal_bytes=self._size(f"{stage}.journal/calls.jsonl") * often
        )

    def _size(self, *names: str) -> int:
        return sum(path.stat().st_size for name in names if (path := self.directory / name).is_file())

    def traced(self) -> dict[str, Any] | None:
        """The settings of `solve` if it wrote beside the run; None if it did not, or used another model."""
        if not self.has_traces:
            return None
        settings: dict[str, Any] = _object(self.directory / "solve.recipe.json", _INCOMPLETE).get("recipe", {})
        return None if self.solver and settings.get("model_path") != self.solver else settings

    def _solved(self, traces: int) -> dict[str, Rate]:
        """What `solve` measured; its counts are of traces, and bytes are of a problem."""
        summary = _object(self.directory / "solve.summary.json", "").get("stages", {}).get("solve", {})
        calls = int(summary.get("calls", 0))
        of_a_problem = {
            "file_bytes": self._size("solve.jsonl") * traces,
            "journal_bytes": self._size("solve.journal/calls.jsonl") * traces,
            "traces": calls * traces,
        }
        return self._tokens(summary) | self._seconds(summary, self.gpus) | self._rates(calls, "traces", **of_a_problem)

    def notes(self) -> Iterator[str]:
        """Differences between the run and the recipe, and caveats about seconds."""
        for name, model in self.models.items():
            if name not in self.ran:
                yield f"the run had no stage {name}, so it was not measured"
            elif name in self.same:
                yield from self._differences(name, self.ran[name], model, _ASKING)
            else:
                asked = self.ran[name].get("model")
                yield f"{name} used {asked}, but the recipe names {model.model}, so it was not measured"
        if not self.share_holds():
            yield (
                "models, judges or filter differ from the recipe's, and the accepted share depends on them, so it was "
                "not measured"
            )
        if self.has_traces and self.traced() is None:
            yield f"solve used a model other than {self.solver}, so it was not measured"
        yield from self._differences("sample", self.run.get("sample", {}), self.recipe.sample, _DRAWING)
        yield from self._timing()

    def _differences(self, stage: str, ran: Mapping[str, Any], ours: BaseModel, keys: tuple[str, ...]) -> Iterator[str]:
        now = ours.model_dump(mode="json")
        for key in keys:
            before, after = ran.get(key), now.get(key)
            if (key in ran or key in _WHERE_SET) and before != after:
                yield f"the run had {stage}.{key} = {before!r}, and the recipe has {after!r}"

    def _timing(self) -> Iterator[str]:
        own = [self.models[name].model for name in self.same if not self.models[name].base_url]
        if own and self.gpus is None:
            yield (
                "a run does not record how many GPUs it had, so its seconds are not used: give the number for each "
                "model with --run-gpus"
            )
            return
        if own and self.run.get("run", {}).get("models") != "in turn":
            yield (
                "the seconds of a stage are counted from its first row to its last row. If stages ran side by side, "
                "these seconds include waiting for other stages and sharing GPUs with them, so a stage alone can be "
                "faster. To measure each model alone, run with --set run.models='in turn'"
            )
        if not all(nano.is_nano(model) for model in own):
            yield "seconds include the start of a vLLM server: measure over many minutes"
