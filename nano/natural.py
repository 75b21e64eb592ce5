"""Texts of the trained generator, for judges and verifier: its own mistakes, which no planted defect looks like.

The generator writes for combinations that training may see; a text with a chain or a phrase that it may not see is left
out. What is right and wrong about a text is decided in `judging`.
"""

from __future__ import annotations

import json
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

COUNT = 12_000
SAMPLING = {"temperature": 0.8, "max_tokens": 400}  # a higher temperature than in use: more mistakes


def ensure(out: Path, scale: float = 1.0) -> Path:
    """Write the texts of the generator in `out`, once; the file."""
    path = out / "natural.jsonl"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            for row in _written(out / GENERATOR.name, round(COUNT * min(scale, 1.0)) or 64):
                print(json.dumps(row), file=file)
        part.rename(path)
    return path


def _written(folder: Path, count: int) -> Iterator[dict[str, object]]:
    """The texts of the generator for `count` requests that training may see, with their concepts and levels."""
    requests = [request(random.Random(f"nano natural {number}")) for number in range(count)]
    prompts = [{"id": str(number), "prompt": prompt} for number, (_, _, prompt) in enumerate(requests)]
    for row in replies(folder, prompts, SAMPLING, n=1, seed=1):
        concepts, level, _ = requests[int(row["id"])]
        if not allowed(read_material(row["completion"]).sentences):
            continue
        yield {"concepts": concepts, "level": level, "completion": row["completion"]}


def mixed(source: Source, training: Training, out: Path) -> Source:
    """`source`, with the share `training.natural` of its texts replaced by what is true of the generator's texts."""
    rows = [json.loads(line) for line in (out / "natural.jsonl").open(encoding="utf-8")]

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
