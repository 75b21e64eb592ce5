"""Texts of the trained generator, for judges: its own mistakes, which no planted defect looks like.

The generator writes for combinations that training may see. What is right and wrong about a text is decided in
`judging`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from nano.asking import replies
from nano.packing import Source
from nano.schedule import GENERATOR, Training
from nano.texts import Example, judged, request
from promptcot.storage.atomic import write_whole
from promptcot.storage.json import dumps
from promptcot.storage.rows import read_rows

COUNT = 12_000
SAMPLING = {"temperature": 0.8, "max_tokens": 400}  # a higher temperature than in use: more mistakes


def ensure(out: Path, scale: float = 1.0) -> Path:
    """Write the texts of the generator in `out`, once; the file."""
    path = out / "natural.jsonl"
    if not path.exists():
        rows = _written(out / GENERATOR.name, round(COUNT * min(scale, 1.0)) or 64)
        write_whole(path, b"".join(map(dumps, rows)))
    return path


def _written(folder: Path, count: int) -> Iterator[dict[str, object]]:
    """Texts of the generator for `count` requests, with their concepts and levels."""
    requests = [request(random.Random(f"nano natural {number}")) for number in range(count)]
    prompts = [{"id": str(number), "prompt": prompt} for number, (_, _, prompt) in enumerate(requests)]
    for row in replies(folder, prompts, SAMPLING, n=1, seed=1):
        concepts, level, _ = requests[int(row["id"])]
        yield {"concepts": concepts, "level": level, "completion": row["completion"]}


def mixed(source: Source, training: Training, out: Path) -> Source:
    """`source`, with the share `training.natural` of its texts replaced by judgements of the generator's texts."""
    rows = list(read_rows(out / "natural.jsonl"))

    def text(index: int) -> Example:
        rng = random.Random(f"nano mixed {training.name} {training.seed} {index}")
        if rng.random() < training.natural:
            row = rng.choice(rows)
            made = judged(row["concepts"], row["level"], row["completion"], training.texts)
            if made is not None:
                return made
        return source(index)

    return text
