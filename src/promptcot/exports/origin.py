"""Collects facts about the exported rows from the files beside them: the recipe, the summary, the models.

Works for the directory of a run, its set and the rows of its steps, and for the output of a verb; nothing is known
about any other file. The home directory is written as `~` in paths, because cards are published.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot.pipeline.set_file import SET
from promptcot.storage.json import loads
from promptcot.storage.manifest import read_manifest
from promptcot.storage.paths import beside, stem, url_of
from promptcot.storage.provenance import without_home


@dataclass(frozen=True)
class Origin:
    """`name` is the name of the set; `manifest` and `summary` are empty if nothing is known.

    `steps` are those that made the rows, if they are not all of the run.
    """

    name: str
    manifest: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[str] | None = None

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe, or the settings of a verb."""
        return _table(_without_home(self.manifest.get("recipe")))

    @property
    def made(self) -> Mapping[str, Any]:
        """The run's record of how it was made."""
        return _table(self.summary.get("made"))

    @property
    def command(self) -> str | None:
        """The command that made the rows, if known."""
        found = self.made.get("command")
        return found if isinstance(found, str) else None

    @property
    def stages(self) -> Mapping[str, Mapping[str, Any]]:
        """The counts of the steps, in order."""
        return {name: _table(one) for name, one in _table(self.summary.get("stages")).items()}

    @property
    def domain(self) -> str | None:
        """The domain's name, or the folder of the user's own domain."""
        found = self.recipe.get("prompts")
        return found if isinstance(found, str) else None

    def models(self) -> Iterator[tuple[str, str]]:
        """Steps and their models, by the names in the recipe, else by the journaled names."""
        sections = {**self.recipe, **{f"judge-{one.get('name')}": one for one in _tables(self.recipe.get("judge"))}}
        server = _table(self.recipe.get("server"))
        for step, journaled in _table(_without_home(self.manifest.get("models"))).items():
            if self.steps is not None and step.partition(".")[0] not in self.steps:
                continue
            section = _table(sections.get(step.partition(".")[0]))
            named = section.get("model") or self.recipe.get("model_path") or server.get("model") or journaled
            asks_server = section.get("base_url") or self.recipe.get("base_url") or server.get("base_url")
            own = not asks_server or not str(named).startswith("nano")
            yield step, str(named) if own else f"{named}, on a server"


def origin_of(path: Path) -> Origin:
    """The known facts about a run directory, or a file of rows."""
    if url_of(path) is None and path.is_dir():
        return _of_run(path)
    manifest = read_manifest(path)
    if manifest is not None:
        return Origin(stem(path), manifest, _read_object(beside(path, "summary.json")))
    inside = url_of(path) is None and (path.parent / "summary.json").is_file()
    if inside and path.name == SET:
        return _of_run(path.parent)
    return (_of_step(path) if inside else None) or Origin(stem(path))


def _of_run(directory: Path) -> Origin:
    manifest = read_manifest(directory) or {}
    name = _table(manifest.get("recipe")).get("name") or directory.resolve().name
    return Origin(str(name), manifest, _read_object(directory / "summary.json"))


def _of_step(path: Path) -> Origin | None:
    """For the rows of a run's step, the records up to that step; None for a file that someone else put there."""
    run, last = _of_run(path.parent), stem(path)
    names = [*run.stages]
    if last not in names:
        return None
    steps = names[: names.index(last) + 1]
    told = {"stages": {name: run.stages[name] for name in steps}}
    if "decontaminate" in steps and "contamination" in run.summary:
        told["contamination"] = run.summary["contamination"]
    return Origin(run.name, run.manifest, told, steps)


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        return _table(_without_home(loads(path.read_bytes())))
    except (OSError, ValueError):
        return {}


def _without_home(value: Any) -> Any:
    return json.loads(without_home(json.dumps(value, ensure_ascii=False)))


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [*map(_table, value)] if isinstance(value, list) else []
