"""What a run directory tells about rates: rows, tokens, seconds, bytes and the accepted share, each with its n.

Reads `summary.json` and `recipe.json` of a run, and those of `solve` where it wrote `solve.jsonl` into the same folder.
Decides what a measurement stands for: a stage that asked another model than the recipe names is not measured, and where
one of the models differs, neither is the accepted share. Nobody wrote down how many GPUs a run had; without that,
seconds say nothing about a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot.errors import InputError
from promptcot.pipeline.plan import models_of, sections_of
from promptcot.planning.rates import Rate
from promptcot.recipe.schema import Model, Recipe
from promptcot.storage.counts import BEYOND_TARGET

ENOUGH = 100
"""So many combinations a run must have before it is used unasked: with fewer, the 95 % interval of an accepted share is
wider than 20 points."""

_ASKING = ("model", "chat", "temperature", "top_p", "repetition_penalty", "max_tokens", "extra_body")
_DRAWING = ("size", "temperature", "counts", "levels", "prompt_like")


@dataclass(frozen=True)
class Found:
    """What was measured in `directory`, over so many combinations; `notes` say what one should know about it."""

    directory: Path
    combinations: int
    stages: Mapping[str, Mapping[str, Rate]]
    notes: tuple[str, ...] = ()


def has_enough(directory: Path) -> bool:
    """Whether there is a finished run of enough combinations. Raises InputError for one that cannot be read."""
    if not (directory / "summary.json").is_file():
        return False
    return _rows(_stages(directory).get("sample", {})) >= ENOUGH


def read_run(directory: Path, recipe: Recipe, gpus: int | None = None, *, may_accept_none: bool = False) -> Found:
    """What a run says about this recipe. `gpus` is how many each of its models had.

    Raises InputError; unless told otherwise, also where nothing was accepted.
    """
    reader = _Reader(directory, recipe, gpus, _stages(directory), _object(directory / "recipe.json", _INCOMPLETE))
    sampled = _rows(reader.stages["sample"])
    if not sampled:
        raise InputError(f"{directory}: the run has no combinations, so it tells no rates")
    if not reader.stages["filter"]["out"] and not may_accept_none:
        raise InputError(
            f"{directory}: none of its {sampled:,} combinations was accepted, so it does not tell how many a problem "
            "takes. Run more of them, or plan with a share of your own (--set plan.filter.kept=0.1)"
        )
    measured = {name: rates for name, rates in reader.measured().items() if rates}
    return Found(directory, sampled, measured, tuple(reader.notes()))


_UNFINISHED = (
    "a run writes it when it ends. Give the folder of a finished run (--run), or leave --run out to plan with the "
    "rates that the recipe states"
)
_INCOMPLETE = "it says which models the run had, and lies beside summary.json"


def _stages(directory: Path) -> dict[str, Any]:
    found = _object(directory / "summary.json", _UNFINISHED).get("stages")
    if not (isinstance(found, dict) and {"sample", "generate", "filter"} <= found.keys()):
        raise InputError(f"{directory / 'summary.json'}: this is not the summary of `promptcot run`")
    return found


def _object(path: Path, why: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {why}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: this is no JSON object")
    return found


def _rows(summary: Mapping[str, Any]) -> int:
    """Rows that came in; those that were begun beyond the target are not the run's."""
    return int(summary.get("in", 0)) - int(summary.get("dropped", {}).get(BEYOND_TARGET, 0))


@dataclass
class _Reader:
    directory: Path
    recipe: Recipe
    gpus: int | None
    stages: dict[str, Any]
    manifest: dict[str, Any]
    run: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.run = self.manifest.get("recipe", {})

    @property
    def _models(self) -> dict[str, Model]:
        return models_of(self.recipe)

    def _ran(self, stage: str) -> dict[str, Any] | None:
        """The section that the run had for a stage; None where it had no such stage."""
        found = sections_of(self.run).get(stage)
        return found if isinstance(found, dict) and stage in self.stages else None

    def _has_other_model(self, stage: str) -> bool:
        ran = self._ran(stage)
        return ran is None or ran.get("model") != self._models[stage].model

    @property
    def _share_holds(self) -> bool:
        """Whether what was accepted says what this recipe accepts."""
        judges = [judge["name"] for judge in self.run.get("judge", [])]
        same = self.run.get("filter", {}).get("only_perfect") == self.recipe.filter.only_perfect
        same = same and sorted(judges) == sorted(judge.name for judge in self.recipe.judge)
        return same and not any(map(self._has_other_model, self._models))

    def measured(self) -> dict[str, dict[str, Rate]]:
        """The rates of each stage."""
        found = {"sample": self._bytes("sample")}
        for name, model in self._models.items():
            if not self._has_other_model(name):
                found[name] = {**self._bytes(name), **self._asked(name, hosted=bool(model.base_url))}
        if "generate" in found:
            found["generate"] |= self._kept("generate")
        found["filter"] = {**self._bytes("filter"), **(self._kept("filter") if self._share_holds else {})}
        if (told := self._traced) is not None:
            found["solve"] = self._solved(told)
        return found

    def _rate(self, total: float, n: int, of: str) -> Rate:
        return Rate(total / n, "measured", str(self.directory), n, of)

    def _kept(self, stage: str) -> dict[str, Rate]:
        rows, out = _rows(self.stages[stage]), int(self.stages[stage]["out"])
        return {"kept": self._rate(out, rows, "rows")} if rows and out else {}

    def _asked(self, stage: str, *, hosted: bool) -> dict[str, Rate]:
        """Tokens and seconds of a call. Tokens are of all calls to this model; seconds are the last process's."""
        summary, found = self.stages[stage], {}
        paid = summary.get("models", {}).get(self.manifest.get("models", {}).get(stage, ""), {})
        for name in ("prompt_tokens", "completion_tokens"):
            if paid.get("calls") and paid.get(name):
                found[name] = self._rate(paid[name], paid["calls"], "calls")
        per_second = 1 if hosted else self.gpus
        if per_second and summary.get("calls") and summary.get("seconds"):
            found["seconds"] = self._rate(summary["seconds"] * per_second, summary["calls"], "calls")
        return found

    def _bytes(self, stage: str) -> dict[str, Rate]:
        """Bytes on disk for each row that came in; of a journal, for each call, and there is one for each row."""
        rows, found = _rows(self.stages[stage]), {}
        names = (f"{stage}{kind}.jsonl" for kind in ("", ".dropped", ".failed"))
        size = sum(path.stat().st_size for name in names if (path := self.directory / name).is_file())
        if rows and size:
            found["file_bytes"] = self._rate(size, rows, "rows")
        journal = self.directory / f"{stage}.journal" / "calls.jsonl"
        calls = sum(paid["calls"] for paid in self.stages[stage].get("models", {}).values())
        if calls and journal.is_file():
            found["journal_bytes"] = self._rate(journal.stat().st_size, calls, "calls")
        return found

    @property
    def _traced(self) -> dict[str, Any] | None:
        """What `solve` was told when it wrote beside the run; None where it did not, or asked another model."""
        if not (self.directory / "solve.summary.json").is_file():
            return None
        told: dict[str, Any] = _object(self.directory / "solve.recipe.json", _INCOMPLETE).get("recipe", {})
        return None if self._solver and told.get("model_path") != self._solver else told

    @property
    def _solver(self) -> str:
        return self.recipe.plan.solve.model if self.recipe.plan.solve else ""

    def _solved(self, told: Mapping[str, Any]) -> dict[str, Rate]:
        """What `solve` measured; its books count traces, and bytes are of a problem."""
        summary = _object(self.directory / "solve.summary.json", "").get("stages", {}).get("solve", {})
        calls, traces = int(summary.get("calls", 0)), int(told.get("n", 1))
        if not calls:
            return {}
        totals = {name: summary.get(name) for name in ("prompt_tokens", "completion_tokens")}
        found = {name: self._rate(total, calls, "calls") for name, total in totals.items() if total}
        if self.gpus and summary.get("seconds"):
            found["seconds"] = self._rate(summary["seconds"] * self.gpus, calls, "calls")
        files = {"file_bytes": "solve.jsonl", "journal_bytes": "solve.journal/calls.jsonl"}
        for name, file in files.items():
            if (path := self.directory / file).is_file():
                found[name] = self._rate(path.stat().st_size * traces, calls, "traces")
        return {**found, "traces": Rate(traces, "measured", str(self.directory), calls, "traces")}

    def notes(self) -> Iterator[str]:
        """What differs between the run and the recipe, and how far seconds can be trusted."""
        for stage, model in self._models.items():
            ran = self._ran(stage)
            if ran is None:
                yield f"the run had no stage {stage}: nothing of it was measured"
            elif self._has_other_model(stage):
                yield f"{stage} asked {ran.get('model')}, and the recipe names {model.model}: it was not measured"
            else:
                yield from self._differences(stage, ran, model.model_dump(mode="json"), _ASKING)
        if not self._share_holds:
            yield "with other models, judges or another filter, the accepted share is another one: it was not measured"
        if (self.directory / "solve.summary.json").is_file() and self._traced is None:
            yield f"solve asked another model than {self._solver}: it was not measured"
        ours = self.recipe.sample.model_dump(mode="json")
        yield from self._differences("sample", self.run.get("sample", {}), ours, _DRAWING)
        yield from self._timing()

    def _differences(
        self, stage: str, ran: Mapping[str, Any], ours: Mapping[str, Any], keys: tuple[str, ...]
    ) -> Iterator[str]:
        for key in keys:
            if key in ran and ran[key] != ours[key]:
                yield f"the run had {stage}.{key} = {ran[key]!r}, and the recipe has {ours[key]!r}"

    def _timing(self) -> Iterator[str]:
        own = [name for name, model in self._models.items() if not model.base_url and not self._has_other_model(name)]
        if own and self.gpus is None:
            yield (
                "a run does not write down how many GPUs it had, so its seconds are not used: say how many each model "
                "had with --run-gpus"
            )
            return
        if own and self.run.get("run", {}).get("models") != "in turn":
            yield (
                "seconds of a stage count from its first row to its last: side by side, a stage that waited for others "
                "or shared their GPUs can do more than that. In turns (--set run.models='in turn', or --runner ray) "
                "each model is measured alone"
            )
        if any(not self._models[name].model.startswith("nano") for name in own):
            yield "seconds contain the start of a vLLM server: measure over many minutes"
