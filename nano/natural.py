"""Texts of the trained generator, for judges: its own mistakes, which no planted defect looks like.

The generator writes for combinations that training may see. What is right and wrong about a text is decided in
`judging`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from nano.copycheck import complete
from nano.models import begin_from, vocabulary
from nano.packing import Source
from nano.schedule import GENERATOR, Training
from nano.texts import Example, judged, request

COUNT, BATCH = 12_000, 256
TEMPERATURE = 0.8  # a little warmer than in use: more mistakes


def ensure(out: Path, scale: float = 1.0) -> Path:
    """Write the texts of the generator in `out`, once; the file."""
    path = out / "natural.jsonl"
    if not path.exists():
        part = path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            for row in _written(out / GENERATOR.name, round(COUNT * min(scale, 1.0)) or BATCH):
                print(json.dumps(row), file=file)
        part.rename(path)
    return path


def _written(folder: Path, count: int) -> Iterator[dict[str, object]]:
    tokenizer = vocabulary()
    model = begin_from(folder, tokenizer)
    for first in range(0, count, BATCH):
        requests = [request(random.Random(f"nano natural {first + place}")) for place in range(BATCH)]
        texts = complete(model, tokenizer, [prompt for _, _, prompt in requests], TEMPERATURE, seed=first)
        for (concepts, level, _), text in zip(requests, texts, strict=True):
            yield {"concepts": concepts, "level": level, "completion": text}


def mixed(source: Source, training: Training, out: Path) -> Source:
    """`source`, with the share `training.natural` of its texts replaced by judgements of the generator's texts."""
    rows = [json.loads(line) for line in (out / "natural.jsonl").open(encoding="utf-8")]

    def text(index: int) -> Example:
        rng = random.Random(f"nano mixed {training.name} {training.seed} {index}")
        if rng.random() < training.natural:
            row = rng.choice(rows)
            made = judged(row["concepts"], row["level"], row["completion"], training.texts)
            if made is not None:
                return made
        return source(index)

    return text
