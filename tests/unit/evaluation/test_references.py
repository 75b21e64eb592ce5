"""The benchmarks that a set is compared with: named ones or cached ones; missing ones with a download command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from promptcot.errors import InputError
from promptcot.evaluation.references import References, files_of, references
from promptcot.evaluation.registry import BENCHMARKS, MATH500


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def written(path: Path, *rows: dict[str, Any]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def in_cache(cache: Path, *rows: dict[str, Any]) -> None:
    place = MATH500.hub
    assert place is not None
    folder = cache / f"datasets--{place.repository.replace('/', '--')}" / "snapshots" / place.revision
    written(folder / place.files[0], *rows)


def test_without_any_benchmark_nothing_is_called_decontaminated() -> None:
    found = references()
    assert found.found == {}
    assert found.summary()["status"] == "not decontaminated"
    assert set(found.missing) == set(BENCHMARKS) - {"nano", "aime2025-i"}  # half of another
    assert found.missing["math500"].startswith("hf download HuggingFaceH4/MATH-500 test.jsonl --repo-type dataset")


def test_what_lies_in_the_cache_of_the_hub_is_at_hand(cache: Path) -> None:
    in_cache(cache, {"problem": "Find the least prime.", "answer": "2"}, {"problem": "Find a root.", "answer": "1"})
    found = references()
    assert found.found == {"math500": 2}
    assert found.summary()["status"] == "decontaminated"
    assert "math500" not in found.missing
    [first, *_] = found.problems
    assert (first.benchmark, first.row, first.problem) == ("math500", 1, "Find the least prime.")


def test_what_is_named_is_all_that_is_compared_with(tmp_path: Path) -> None:
    own = written(tmp_path / "own.jsonl", {"id": "x", "problem": "Find the least prime."})
    found = references([own, "nano", own])
    assert found.found == {own: 1, "nano": 200}
    assert not found.missing
    assert references(["nano"]).summary()["status"] == "decontaminated"
    assert files_of([own, "nano"]) == [Path(own)]


def test_a_benchmark_that_is_named_and_cannot_be_had_stops() -> None:
    with pytest.raises(InputError, match="'gsm8k' could not be fetched"):
        references(["gsm8k"])


def test_a_wrong_name_is_found_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'gsm8k'"):
        references([str(tmp_path / "missing.jsonl"), "gsm8"])


def test_a_folder_is_no_file_of_problems(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; name the files"):
        references([str(tmp_path)])


def test_rows_of_known_data_sets_need_no_gold(tmp_path: Path) -> None:
    prompt = "<|im_start|>user\nFind the least prime.\nPlease reason step by step, and put your final answer within"
    rows = [{"prompt": prompt + " \\boxed{}.<|im_end|>\n<|im_start|>assistant\n"}, {"prompt": "Find a root."}]
    found = references([written(tmp_path / "public.jsonl", *rows)])
    assert [one.problem for one in found.problems] == ["Find the least prime.", "Find a root."]
    asked = written(tmp_path / "asked.jsonl", {"question": "Find it.", "answer": "#### 3"})
    found = references([asked])
    assert [one.problem for one in found.problems] == ["Find it."]
    assert "gsm8k" in found.told[0].lower()


def test_rows_without_a_problem_are_left_out_and_told(tmp_path: Path) -> None:
    rows = [{"problem": "Find it."}, {"problem": ""}, {"problem": " $$ "}, {"problem": 3}, {"other": "x"}]
    path = written(tmp_path / "own.jsonl", *rows)
    found = references([path])
    assert found.found == {path: 1}
    assert found.told == (f"{path}: 4 of 5 rows have no problem and are left out",)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the file has no rows"),
        ([{"text": "Find it."}], "no row has a problem to compare with; .*it has `text`"),
        ([{"problem": "$$ ?"}], "no row has a problem to compare with"),
    ],
)
def test_a_benchmark_without_texts_stops(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        references([written(tmp_path / "own.jsonl", *rows)])


def test_nothing_at_all_is_not_decontaminated() -> None:
    assert References((), {}).summary()["status"] == "not decontaminated"
