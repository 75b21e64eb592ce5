"""What is known of the rows that are exported, from what lies beside them: the recipe, the summary, the models.

Works for the directory of a run, for a file in one, for the output of a verb, and for any other file, of which nothing
is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot.storage.json import loads
from promptcot.storage.manifest import read_manifest
from promptcot.storage.paths import beside, stem, url_of


@dataclass(frozen=True)
class Origin:
    """`name` is what the set is called; `manifest` and `summary` are empty where nothing is known."""

    name: str
    manifest: Mapping[str, Any] = field(default_factory=dict)
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe, or the settings of a verb."""
        return _table(self.manifest.get("recipe"))

    @property
    def stages(self) -> Mapping[str, Mapping[str, Any]]:
        """The counts of the steps, in order."""
        return {name: _table(one) for name, one in _table(self.summary.get("stages")).items()}

    @property
    def domain(self) -> str | None:
        """The domain by its name, or the folder of one's own."""
        found = self.recipe.get("prompts")
        return found if isinstance(found, str) else None

    def models(self) -> Iterator[tuple[str, str]]:
        """Steps and the models that they asked: by the names in the recipe, else by those that were journaled."""
        sections = {**self.recipe, **{f"judge-{one.get('name')}": one for one in _tables(self.recipe.get("judge"))}}
        server = _table(self.recipe.get("server"))
        for step, journaled in _table(self.manifest.get("models")).items():
            section = _table(sections.get(step.partition(".")[0]))
            named = section.get("model") or self.recipe.get("model_path") or server.get("model") or journaled
            asks_server = section.get("base_url") or self.recipe.get("base_url") or server.get("base_url")
            own = not asks_server or not str(named).startswith("nano")
            yield step, str(named) if own else f"{named}, of a server"


def origin_of(path: Path) -> Origin:
    """What is known of a run directory, or of a file of rows."""
    if url_of(path) is None and path.is_dir():
        return _of_run(path)
    manifest = read_manifest(path)
    if manifest is not None:
        return Origin(stem(path), manifest, _read(beside(path, "summary.json")))
    inside = url_of(path) is None and (path.parent / "summary.json").is_file()
    return _of_run(path.parent) if inside else Origin(stem(path))


def _of_run(directory: Path) -> Origin:
    manifest = read_manifest(directory) or {}
    name = _table(manifest.get("recipe")).get("name") or directory.resolve().name
    return Origin(str(name), manifest, _read(directory / "summary.json"))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return _table(loads(path.read_bytes()))
    except (OSError, ValueError):
        return {}


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [*map(_table, value)] if isinstance(value, list) else []
