"""Texts of the trained generator, for judges and verifier: its own mistakes, which no planted defect looks like.

The generator writes for combinations that training may see; a text with a chain or a phrase that it may not see is left
out. The texts belong to the weights that wrote them: both are known by `natural.json`. What is right and wrong about a
text is decided in `judging`.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nano.asking import replies
from nano.material import read_material
from nano.packing import Source
from nano.schedule import GENERATOR, Training
from nano.spoiling import allowed
from nano.texts import Example, judged, request, verified
from nano.timing import NATURAL, timed
from promptcot.errors import InputError
from promptcot.storage.atomic import locked, write_json, write_whole
from promptcot.storage.json import dumps, loads
from promptcot.storage.rows import read_rows

COUNT = 12_000
SAMPLING = {"temperature": 0.8, "max_tokens": 400}  # a higher temperature than in use: more mistakes


def ensure(out: Path, scale: float = 1.0) -> Path:
    """Write the texts of the generator in `out`, once; the file.

    Raises InputError where the texts that are there are not those of this generator and scale, LockedError while
    another process writes them, and RuntimeError where some could not be written.
    """
    path = out / "natural.jsonl"
    settings = _settings(out / GENERATOR.name, round(COUNT * min(scale, 1.0)) or 64)
    if not path.exists():
        with locked(out / ".natural.lock"):
            if not path.exists():  # else another process wrote it before this one had the lock
                _write(path, settings)
    _check(path, settings)
    return path


def _write(path: Path, settings: dict[str, Any]) -> None:
    with timed(path.parent, NATURAL):
        rows = list(_written(path.parent / GENERATOR.name, settings["count"]))
        write_json(path.with_suffix(".json"), settings)
        write_whole(path, b"".join(map(dumps, rows)))


def _settings(folder: Path, count: int) -> dict[str, Any]:
    """What decides which texts are written: the weights in `folder`, how many texts, and how they are sampled."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise InputError(f"{path}: not there: train the generator first, by `python -m nano.train {folder.parent}`")
    weights = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"weights": weights, "count": count, "sampling": SAMPLING}


def _check(path: Path, settings: dict[str, Any]) -> None:
    """Raises InputError where the texts were written with other settings, or nobody knows with which."""
    beside = path.with_suffix(".json")
    begun = loads(beside.read_bytes()) if beside.exists() else {}
    other = [name for name, value in settings.items() if begun.get(name) != value]
    if other:
        raise InputError(
            f"{path}: its texts are of another generator or scale ({', '.join(other)} in {beside.name} "
            f"{'differ' if beside.exists() else 'are unknown'}): remove {path.name} to have them written anew, and the "
            "folders of the judges and the verifier if they were trained on it"
        )


def _written(folder: Path, count: int) -> Iterator[dict[str, object]]:
    """The texts of the generator for `count` requests that training may see, with their concepts and levels."""
    requests = [request(random.Random(f"nano natural {number}")) for number in range(count)]
    prompts = [{"id": str(number), "prompt": prompt} for number, (_, _, prompt) in enumerate(requests)]
    found = list(replies(folder, prompts, SAMPLING, n=1, seed=1))
    if len(found) < count:
        raise RuntimeError(f"{folder}: wrote {len(found)} of {count} texts; run the same command again")
    for row in found:
        concepts, level, _ = requests[int(row["id"])]
        if not allowed(read_material(row["completion"]).sentences):
            continue
        yield {"concepts": concepts, "level": level, "completion": row["completion"]}


def mixed(source: Source, training: Training, out: Path) -> Source:
    """`source`, with the share `training.natural` of its texts replaced by what is true of the generator's texts."""
    rows = list(read_rows(out / "natural.jsonl"))

    def text(index: int) -> Example:
        rng = random.Random(f"nano mixed {training.name} {training.seed} {index}")
        if rng.random() < training.natural:
            made = _example(rng.choice(rows), training.texts)
            if made is not None:
                return made
        return source(index)

    return text


def _example(row: dict[str, Any], role: str) -> Example | None:
    """What a judge or the verifier should say of a text, or None where it cannot be followed."""
    if role == "verifier":
        return verified(row["completion"])
    return judged(row["concepts"], row["level"], row["completion"], role)
