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
from nano.texts import example, verified


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


@pytest.mark.parametrize(
    ("problem", "verdict"),
    [
        ("Find the larger root of x^2 - 11x + 28 = 0.", "valid"),
        ("Find the larger root of x^2 - 11x + 27 = 0.", "invalid"),
        ("Find the larger of x^2 - 11x + 28 = 0.", "invalid"),
    ],
)
def test_the_verifier_learns_what_is_true_of_the_generators_problems(problem: str, verdict: str) -> None:
    found = verified(completion("The level AMC12 asks for 1 step.\nStep 1 uses integer roots.", problem))
    assert found is not None
    assert problem in found.prompt
    assert found.completion.endswith(f"Final Verdict: {verdict}")


def test_a_text_without_a_problem_teaches_the_verifier_nothing() -> None:
    assert verified("Find the larger root of x^2 - 11x + 28 = 0.") is None
