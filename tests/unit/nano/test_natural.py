"""The generator's own texts: they keep to what training may see, and belong to the weights that wrote them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nano import logs, natural
from nano.benchmark import designs
from nano.problems import completion
from nano.schedule import TRAININGS
from nano.texts import example, verified
from promptcot.errors import InputError

SEEN = [example("generator", 5, index).completion for index in range(50)]


def trained(out: Path, weights: bytes = b"weights") -> Path:
    """A folder with a generator whose weights nobody reads here."""
    (out / "generator").mkdir(parents=True)
    (out / "generator" / "model.safetensors").write_bytes(weights)
    return out


def writes(monkeypatch: pytest.MonkeyPatch, written: Sequence[str], missing: int = 0) -> list[Path]:
    """Lets the generator write these texts, of which the last are `missing`; the folders that it was asked in."""
    asked = []

    def replies(folder: Path, rows: Sequence[Mapping[str, Any]], *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
        asked.append(folder)
        pairs = list(zip(rows, written, strict=True))
        return ({"id": row["id"], "completion": text} for row, text in pairs[: len(pairs) - missing])

    monkeypatch.setattr(natural, "replies", replies)
    monkeypatch.setattr(natural, "COUNT", len(written))
    return asked


def test_held_out_problems_of_the_generator_do_not_reach_the_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = [completion(made.explained("design-first"), made.problem) for made in designs()]
    writes(monkeypatch, [*held_out, *SEEN])
    path = natural.ensure(trained(tmp_path))
    assert [json.loads(line)["completion"] for line in path.read_text().splitlines()] == SEEN


def test_the_texts_are_written_once_and_say_what_wrote_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = writes(monkeypatch, SEEN)
    paths = [natural.ensure(trained(tmp_path)), natural.ensure(tmp_path)]
    assert paths == [tmp_path / "natural.jsonl"] * 2
    assert asked == [tmp_path / "generator"]
    assert json.loads((tmp_path / "natural.json").read_text()) == {
        "weights": hashlib.sha256(b"weights").hexdigest(),
        "count": len(SEEN),
        "sampling": natural.SAMPLING,
    }
    assert [(line["part"], line["event"]) for line in logs.read(tmp_path / "train.jsonl")] == [
        ("generator's texts", "begin"),
        ("generator's texts", "end"),
    ]


def test_texts_of_another_generator_or_scale_or_of_none_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes(monkeypatch, SEEN)
    path = natural.ensure(trained(tmp_path))
    with pytest.raises(InputError, match=r"count in natural.json differ\): remove natural.jsonl"):
        natural.ensure(tmp_path, scale=0.5)
    (tmp_path / "generator" / "model.safetensors").write_bytes(b"others")
    with pytest.raises(InputError, match=r"weights in natural.json differ\)"):
        natural.ensure(tmp_path)
    (tmp_path / "natural.json").unlink()
    with pytest.raises(InputError, match=r"weights, count, sampling in natural.json are unknown\)"):
        natural.ensure(tmp_path)
    path.unlink()
    assert natural.ensure(tmp_path) == natural.ensure(tmp_path) == path


def test_missing_texts_and_a_missing_generator_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes(monkeypatch, SEEN, missing=1)
    with pytest.raises(RuntimeError, match="wrote 49 of 50 texts"):
        natural.ensure(trained(tmp_path))
    assert not (tmp_path / "natural.jsonl").exists()
    with pytest.raises(InputError, match="train the generator first"):
        natural.ensure(tmp_path / "elsewhere")


@pytest.mark.parametrize("role", ["judge-a", "judge-b", "verifier"])
def test_the_share_of_the_generators_texts_is_that_of_the_training(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that cannot be followed leaves its place to one of the writer's."""
    endless = "Step 1 uses parity.\n" * 200
    writes(monkeypatch, [*SEEN[:3], endless])
    natural.ensure(trained(tmp_path))
    source = partial(example, role, 1)
    training = TRAININGS[role]
    problems = [text.split("PROBLEM -->\n")[1].splitlines()[0] for text in SEEN[:3]]
    mixed = natural.mixed(source, training, tmp_path)
    texts = [mixed(index) for index in range(400)]
    assert texts == [mixed(index) for index in range(400)]
    of_generator = [any(problem in text.prompt for problem in problems) for text in texts]
    assert 0.75 * training.natural * 0.7 < sum(of_generator) / 400 < 0.75 * training.natural * 1.3
    assert all(text == source(index) for index, text in enumerate(texts) if not of_generator[index])
    none = natural.mixed(source, dataclasses.replace(training, natural=0.0), tmp_path)
    assert [none(index) for index in range(20)] == [source(index) for index in range(20)]


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
