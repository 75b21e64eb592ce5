"""The generator's own texts for the judges keep to what training may see."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from nano import natural
from nano.benchmark import designs
from nano.problems import completion
from nano.texts import example


def test_held_out_problems_of_the_generator_do_not_reach_the_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = [completion(made.explained("design-first"), made.problem) for made in designs()]
    seen = [example("generator", 5, index).completion for index in range(50)]
    written = [*held_out, *seen]

    def replies(_folder: Path, rows: Sequence[Mapping[str, Any]], *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        return ({"id": row["id"], "completion": text} for row, text in zip(rows, written, strict=False))

    monkeypatch.setattr(natural, "replies", replies)
    path = natural.ensure(tmp_path)
    assert [json.loads(line)["completion"] for line in path.read_text().splitlines()] == seen
