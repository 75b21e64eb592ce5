"""The marker of a finished training run: a small file in the model folder, written last, with the hash of the recipe.

With it, a finished run is recognized without loading anything, and so is an earlier version of the same model in a
repository of the Hub.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from promptcot.errors import InputError
from promptcot.storage.atomic import write_json
from promptcot.storage.json import loads
from promptcot.storage.manifest import manifest
from promptcot.storage.provenance import MODEL_FORMAT, recipe_sha256
from promptcot.training.data.rows import fingerprint
from promptcot.training.files import BEGAN_WITH, folders_of
from promptcot.training.recipe import TrainRecipe

MARK = "promptcot.json"


def write_mark(folder: Path, recipe: TrainRecipe, kind: str) -> None:
    """Record the recipe from which the files of a folder were made; `kind` is the final name of the folder."""
    names = sorted(path.name for path in folder.iterdir())
    identity = {"format": MODEL_FORMAT, "set": recipe.name, "to": kind, "recipe_sha256": _sha256(recipe)}
    write_json(folder / MARK, {**identity, "files": names})


def finished(recipe: TrainRecipe) -> Path | None:
    """The folder of the model if exactly this recipe has been trained on these rows; None if there is work left."""
    folders = [recipe.directory / name for name in folders_of(recipe)]
    return folders[0] if all(_is_of(folder, recipe) for folder in folders) and not _other_rows(recipe) else None


def _other_rows(recipe: TrainRecipe) -> bool:
    """Whether the rows differ from those at the start of the training. Missing files count as unchanged."""
    try:
        began = (recipe.directory / BEGAN_WITH).read_text(encoding="utf-8")
    except OSError:
        return False
    return any(known not in began for known in _contents(recipe))


def _contents(recipe: TrainRecipe) -> Iterator[str]:
    """A hash or a revision for each existing file or dataset."""
    for source in recipe.data.sources:
        for path in source.path:
            try:
                yield from fingerprint(source.model_copy(update={"path": [path]})).values()
            except InputError:
                continue


def _is_of(folder: Path, recipe: TrainRecipe) -> bool:
    try:
        mark = loads((folder / MARK).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(mark, dict) and mark.get("recipe_sha256") == _sha256(recipe)


def _sha256(recipe: TrainRecipe) -> str:
    return recipe_sha256(manifest(recipe.model_dump(mode="json"), {}, {}))
