"""`--check`: rows that read back, golds that pass, and each kind of damage detected and named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from promptcot.exports import check as checking
from promptcot.exports.check import Checked, check
from promptcot.exports.formats import FORMATS, format_of
from promptcot.exports.formats.format import Format
from promptcot.exports.formats.loading import Loaded
from promptcot.records import Row
from tests.exports import example, write

LAYOUTS = [(name, layout) for name, one in FORMATS.items() for layout in one.layouts]
EXAMPLES = [example(number) for number in range(5)]


def checked(format: Format, rows: list[Row], folder: Path, **options: Any) -> Checked:
    return check(format, {"train": [write(format, rows, folder)]}, **options)


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_what_was_written_reads_back_and_all_golds_pass(name: str, layout: str, tmp_path: Path) -> None:
    format = format_of(name, layout)
    found = checked(format, list(format.rows(EXAMPLES, "train")), tmp_path)
    assert (found.ok, found.rows, found.golds, found.passed) == (True, {"train": 5}, 5, 5), found
    assert found.by


def test_several_files_of_a_split_are_one_and_splits_are_counted_apart(tmp_path: Path) -> None:
    format = format_of("verl")
    rows = list(format.rows(EXAMPLES, "train"))
    (tmp_path / "more").mkdir()
    files = [write(format, rows[:2], tmp_path), write(format, rows[2:], tmp_path / "more")]
    held = [write(format, list(format.rows(EXAMPLES[:1], "test")), tmp_path, "test")]
    found = check(format, {"train": files, "test": held})
    assert (found.ok, found.rows) == (True, {"train": 5, "test": 1}), found


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.kind == "rl"])
def test_a_gold_that_does_not_pass_is_named_with_its_reason(name: str, tmp_path: Path) -> None:
    format = format_of(name)
    bad = [example(1), example(2, answer=None), example(3, answer="")]
    found = checked(format, list(format.rows(bad, "train")), tmp_path)
    assert (found.ok, found.golds, found.passed) == (False, 3, 1)
    assert [(one.id, one.reason) for one in found.failures] == [("p2", "gold_unreadable"), ("p3", "gold_unreadable")]


def test_traces_need_no_gold(tmp_path: Path) -> None:
    format = format_of("sft")
    rows = list(format.rows([example(1, answer=None), example(2)], "train"))
    found = checked(format, rows, tmp_path)
    assert (found.ok, found.golds, found.passed) == (True, 1, 1)


def test_the_verifier_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    format = format_of("trl")
    rows = list(format.rows([example(1, answer="the butler")], "train"))
    assert checked(format, rows, tmp_path, verifier="exact").ok
    found = checked(format, rows, tmp_path, verifier="integers")
    assert [one.gold for one in found.failures] == ["the butler"]


class Lying(type(format_of("nemo-gym"))):  # type: ignore[misc]
    """A trainer that reads other values than those in the files."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self._change = change

    def load(self, files: Sequence[Path]) -> Loaded:
        return Loaded(self._change(list(super().load(files).rows)), "a loader")


def _raise(rows: list[Row]) -> Any:
    yield rows[0]
    raise ValueError("broken")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: rows[:-1], "row 4 of train: a loader does not read this row"),
        (lambda rows: [*rows, rows[0]], "row 5 of train: a loader reads more rows than the files have"),
        (lambda rows: [{**rows[0], "expected_answer": 4}, *rows[1:]], "row 0 of train, p0: expected_answer read back"),
        (lambda rows: [{}, *rows[1:]], "row 0 of train, p0: no column is loaded"),
        (_raise, "a loader: ValueError: broken"),
    ],
)
def test_what_a_loader_gives_otherwise_is_named(change: Any, words: str, tmp_path: Path) -> None:
    format = Lying(change)
    found = checked(format, list(format.rows(EXAMPLES, "train")), tmp_path)
    assert not found.ok
    assert found.different[0].startswith(words), found.different


def test_a_row_that_is_not_as_the_format_has_it_is_named(tmp_path: Path) -> None:
    """Files may have been changed since they were written."""
    format = format_of("prime")
    row = format.row(example(), "train", 0)
    found = checked(format, [{**row, "prompt": [{"role": "user", "content": "x", "name": "y"}]}], tmp_path)
    assert (found.wrong, found.different) == (1, ["row 0 of train, p1: prompt: not as prime requires"])
    found = checked(format, [{name: row[name] for name in row if name != "answer"}], tmp_path)
    assert found.different[0].startswith("row 0 of train, (no id): ")


def test_many_differences_are_counted_and_some_of_them_named(tmp_path: Path) -> None:
    format = Lying(lambda rows: [{**row, "expected_answer": "5"} for row in rows])
    found = checked(format, list(format.rows([example(number) for number in range(50)], "train")), tmp_path)
    assert (found.wrong, len(found.different)) == (50, 20)


def test_without_the_trainer_the_library_that_it_calls_reads_and_this_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    format = format_of("verl")

    def missing(files: Sequence[Path]) -> Loaded:
        raise ImportError("verl")

    monkeypatch.setattr(format, "load", missing)
    rows = list(format.rows(EXAMPLES, "train"))
    found = checked(format, rows, tmp_path)
    assert (found.ok, found.own, found.by.split()[0]) == (True, False, "datasets")
    monkeypatch.setattr(checking, "by_datasets", missing)
    found = checked(format, rows, tmp_path)
    assert (found.ok, found.own, found.by) == (True, False, "promptcot itself")


def test_a_loader_prints_nothing_and_leaves_no_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    before = datasets.config.HF_DATASETS_CACHE
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    format = format_of("skyrl")
    assert checked(format, list(format.rows(EXAMPLES, "train")), tmp_path).ok
    assert capsys.readouterr() == ("", "")
    assert not (tmp_path / "cache").exists()
    monkeypatch.undo()
    assert before == datasets.config.HF_DATASETS_CACHE


def test_golds_are_scored_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory does not grow with the file."""
    sizes: list[int] = []

    def scored(replies: Sequence[Any], answers: Sequence[Any], **options: Any) -> list[Any]:
        sizes.append(len(replies))
        return [SimpleNamespace(reason="right")] * len(replies)

    monkeypatch.setattr(checking, "score_batch", scored)
    monkeypatch.setattr(checking, "_BATCH", 2)
    format = format_of("prime")
    assert checked(format, list(format.rows(EXAMPLES, "train")), tmp_path).passed == 5
    assert sizes == [2, 2, 1]
