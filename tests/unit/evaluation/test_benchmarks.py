"""Benchmarks: rows that are read, errors that name the row, and warnings.

The real files are not part of the project: tests on them run where PROMPTCOT_SHARED_DATA names the folder that holds
`benchmarks/`, and are skipped elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from promptcot.core.problems import gold_of, plain_integer, problem_id, problem_of, source_of
from promptcot.errors import InputError, RefusedGold
from promptcot.evaluation.benchmarks import hash_golds, load, renamed
from promptcot.evaluation.registry import BENCHMARKS, benchmark_named, with_source
from promptcot.grading import Graders

DS = (
    "<｜begin▁of▁sentence｜>Please reason step by step, and put your final answer within \\boxed{{}}.<｜User｜>"
    "How much is $1 + 1$?<｜Assistant｜>"
)
QWQ = (
    "<|im_start|>user\nHow much is $1 + 1$?\nPlease reason step by step, and put your final answer within \\boxed{}."
    "<|im_end|>\n<|im_start|>assistant\n<think>\n"
)

shared = pytest.mark.skipif("PROMPTCOT_SHARED_DATA" not in os.environ, reason="PROMPTCOT_SHARED_DATA is not set")


def real(name: str) -> Path:
    return Path(os.environ["PROMPTCOT_SHARED_DATA"]) / "benchmarks" / name


def row(**fields: Any) -> dict[str, Any]:
    return {"prompt": DS, "reference_solution": "1 + 1 = 2\n#### 2", "source": "aime2024"} | fields


def written(tmp_path: Path, *rows: dict[str, Any]) -> Path:
    path = tmp_path / "benchmark.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows), encoding="utf-8")
    return path


@shared
@pytest.mark.parametrize(
    ("file", "name", "rows"),
    [
        ("gsm8k.jsonl", "gsm8k", 1319),
        ("math500.jsonl", "math500", 500),
        ("aime2024.jsonl", "aime2024", 30),
        ("qwq_aime2025.jsonl", "aime2025", 30),
        ("aime2025.jsonl", "aime2025-i", 15),
    ],
)
def test_the_public_files_are_recognised_by_their_golds(file: str, name: str, rows: int) -> None:
    loaded = load(real(file))
    assert [benchmark.name for benchmark in loaded.benchmarks.values() if benchmark] == [name]
    assert len(loaded.rows) == BENCHMARKS[name].rows == rows
    assert not any("<" + "|im" in one.problem or "｜" in one.problem for one in loaded.rows)
    assert not any("reason step by step" in one.problem for one in loaded.rows)


@shared
def test_the_short_public_file_of_aime_2025_is_named_as_what_it_is() -> None:
    short, whole = load(real("aime2025.jsonl")), load(real("qwq_aime2025.jsonl"))
    assert "these rows are aime2025-i" in short.warnings[0]
    assert whole.warnings == ()
    assert {one.id for one in short.rows} < {one.id for one in whole.rows}
    assert {one.source for one in renamed(short).rows} == {"aime2025-i"}


def test_nano_ships_with_the_package_and_is_whole() -> None:
    loaded = load("nano")
    assert loaded.warnings == ()
    assert loaded.benchmarks == {"nano": BENCHMARKS["nano"]}
    assert {one.level for one in loaded.rows} == {"AMC12", "AIME", "HMMT-Feb"}
    assert loaded.rows[0].id == "nano-001"


def test_a_folder_with_the_name_of_a_benchmark_is_not_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nano").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(load("nano").rows) == 200


def test_our_own_fields_are_read_too(tmp_path: Path) -> None:
    [one] = load(written(tmp_path, {"problem": "1+1?", "answer": 2, "source": "mine", "level": "AIME", "id": "a"})).rows
    assert (one.id, one.source, one.problem, one.gold, one.level) == ("a", "mine", "1+1?", "2", "AIME")


@pytest.mark.parametrize("prompt", [DS, QWQ, "How much is $1 + 1$?", DS + "<think>\n"])
def test_the_problem_is_found_in_every_prompt_style_and_has_one_id(prompt: str) -> None:
    assert problem_of(row(prompt=prompt), "row 1") == "How much is $1 + 1$?"
    assert problem_id(row(prompt=prompt), "row 1") == problem_id({"problem": "How much is $1 + 1$?"}, "row 1")


def test_the_gold_is_what_follows_the_last_mark() -> None:
    assert gold_of({"reference_solution": "#### 7 is the number.\n#### \\frac{1}{2} "}, "row 1") == "\\frac{1}{2}"


@pytest.mark.parametrize(
    ("gold", "plain"),
    [("033", "33"), ("2,125", "2125"), ("336^\\circ", "336"), ("-5", "-5"), ("$ 18", "18"), ("90^{\\circ}", "90")],
)
def test_whole_numbers_are_compared_as_numbers(gold: str, plain: str) -> None:
    assert plain_integer(gold) == plain


def with_gold(tmp_path: Path, source: str, gold: str) -> Path:
    """A benchmark of two rows, of which the second has this gold."""
    return written(tmp_path, row(source=source), row(source=source, prompt="other", reference_solution=f"#### {gold}"))


@pytest.mark.parametrize("gold", ["1/2", "3.5", "x", "1" * 1001])
def test_a_row_whose_gold_is_no_whole_number_is_left_out_where_all_are(tmp_path: Path, gold: str) -> None:
    with Graders(workers=1, limit=20) as graders:
        loaded = load(with_gold(tmp_path, "aime2024", gold), graders)
    assert ([one.gold for one in loaded.rows], [one.gold for one in loaded.refused]) == (["2"], [gold])
    assert re.search(r"1 row is left out, .* row 2 \(id [0-9a-f]{16}\): the gold .* is not a whole", loaded.warnings[0])


def test_a_gold_that_is_empty_stops(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 2: the gold is empty"):
        load(with_gold(tmp_path, "aime2024", ""))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"source": None}, "the field `source` is missing"),
        ({"source": " "}, "the field `source` is missing"),
        ({"prompt": ""}, "neither `problem` nor `prompt` has a text"),
        ({"prompt": 5}, "neither `problem` nor `prompt` has a text"),
        ({"reference_solution": None}, "no gold: the row has neither `answer` nor `reference_solution`"),
        ({"reference_solution": "the answer is 2"}, "has no '####' before its answer"),
        ({"reference_solution": "#### "}, "the gold is empty"),
    ],
)
def test_a_row_that_cannot_be_read_stops_and_is_named(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        load(written(tmp_path, row(), row(prompt="other") | changed))
    assert "benchmark.jsonl, row 2: " in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("gold", ["\\frac{", "\\frac{1}{" + "0" * 5000, "(" * 20_000])
def test_a_row_whose_gold_is_refused_is_left_out_and_named_and_stops_where_strict(tmp_path: Path, gold: str) -> None:
    path = with_gold(tmp_path, "math", gold)
    with Graders(workers=1, limit=20) as graders:
        loaded = load(path, graders)
        with pytest.raises(RefusedGold, match=r"row 2 \(id [0-9a-f]{16}\): the gold answer .*; or leave the row out"):
            load(path, graders, strict=True)
    assert [one.gold for one in loaded.rows] == ["2"]
    assert re.search(r"row 2 \(id [0-9a-f]{16}\): the gold answer ", loaded.warnings[0])
    assert len(loaded.warnings[0]) < 400 + len(str(path))


def test_a_benchmark_without_a_gold_that_could_be_met_stops(tmp_path: Path) -> None:
    with Graders(workers=1, limit=20) as graders, pytest.raises(RefusedGold, match="no row can be used: 1 row"):
        load(written(tmp_path, row(source="math", reference_solution="#### \\frac{")), graders)


def test_every_gold_is_shown_to_the_verifier_of_its_source(tmp_path: Path) -> None:
    path = with_gold(tmp_path, "own", "1/3")
    with Graders(workers=1, limit=20) as graders:
        assert [one.gold for one in load(path, graders).rows] == ["2", "1/3"]
    with Graders(named="integers") as graders:
        assert [one.gold for one in load(path, graders).refused] == ["1/3"]


def test_a_file_of_a_known_layout_is_a_benchmark_and_says_how_it_was_read(tmp_path: Path) -> None:
    path = written(tmp_path, {"question": "Which x?", "final_answer": ["1", "2"], "is_multiple_answer": True})
    loaded = load(path)
    assert (loaded.rows[0].problem, loaded.rows[0].gold) == ("Which x?", "1, 2")
    assert loaded.rows[0].source == "benchmark", "two files of one kind are two benchmarks"
    assert loaded.warnings[0] == (
        f"{path}: rows look like OlympiadBench: problem = question, answer = final_answer, source = 'benchmark'"
    )


@pytest.mark.parametrize(
    ("answer", "said"), [({"value": 5}, "is an object with `value`"), (True, "is true"), ([], "is an empty list")]
)
def test_a_gold_that_is_no_answer_stops_and_is_named(tmp_path: Path, answer: Any, said: str) -> None:
    path = written(tmp_path, {"problem": "Which?", "answer": "1", "source": "own"})
    other = {"problem": "Who?", "answer": answer, "source": "own"}
    path.write_text(path.read_text(encoding="utf-8") + json.dumps(other) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"row 2: the gold in `answer` {said}"):
        load(path)


def test_a_predictions_file_is_no_benchmark(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row 2: the same problem as row 1 .* one row per sample"):
        load(written(tmp_path, row(), row()))


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no rows"):
        load(written(tmp_path))


def test_invalid_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, row())
    path.write_bytes(path.read_bytes() + b'{"prompt": "\xff\xfe", "source": "aime2024"}\n')
    with pytest.raises(InputError, match=r"benchmark\.jsonl, line 2"):
        load(path)


def test_a_completion_of_one_megabyte_is_carried_past(tmp_path: Path) -> None:
    assert len(load(written(tmp_path, row(completion="<think>" * 150_000))).rows) == 1


def test_a_missing_file_is_not_looked_up_as_a_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "gsm8k.jsonl")


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no benchmark is called 'aime24'.*known names: gsm8k"):
        load("aime24")
    with pytest.raises(InputError, match="did you mean 'math500'"):
        benchmark_named("math-500")


def test_other_golds_and_missing_rows_are_warned_of_and_used(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, row()))
    assert len(loaded.rows) == 1
    assert loaded.warnings[0] == "aime2024: 1 row, but aime2024 has 30"
    assert "the golds are not those of aime2024" in loaded.warnings[1]


def test_a_source_that_is_not_registered_is_used_and_said_to_be_unverified(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, row(source="ours")))
    assert loaded.benchmarks == {"ours": None}
    assert loaded.warnings == ("ours: not a registered benchmark, so rows and golds cannot be verified",)


def test_predictions_without_a_source_are_refused() -> None:
    with pytest.raises(InputError, match=r"row 7: the field `source` is missing"):
        source_of({"prompt": DS}, "row 7")


def test_the_hash_of_golds_knows_no_order_and_no_spaces_and_sees_every_change() -> None:
    assert hash_golds(["1", "a + b"]) == hash_golds(["a+b", "1"])
    assert len({hash_golds(golds) for golds in (["1", "2"], ["1", "3"], ["12"], ["1", "2", "2"], [])}) == 5


def test_every_benchmark_can_be_found_by_its_name_and_sources() -> None:
    for name, benchmark in BENCHMARKS.items():
        assert benchmark.name == name
        assert with_source(name)[0] is benchmark
    assert [benchmark.name for benchmark in with_source("aime2025")] == ["aime2025", "aime2025-i"]
    assert with_source("imo") == ()


def test_every_file_on_the_hub_is_pinned_to_one_commit() -> None:
    places = [benchmark.hub for benchmark in BENCHMARKS.values() if benchmark.hub]
    assert len(places) == 6
    assert all(len(bytes.fromhex(place.revision)) == 20 and place.files for place in places)


def fake_hub(monkeypatch: pytest.MonkeyPatch, download: Any) -> None:
    class EntryNotFoundError(Exception):
        pass

    client = types.ModuleType("huggingface_hub")
    client.hf_hub_download = download  # type: ignore[attr-defined]
    client.errors = types.SimpleNamespace(EntryNotFoundError=EntryNotFoundError)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", client)


def test_a_name_is_fetched_at_the_pinned_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []

    def download(**wanted: str) -> str:
        asked.append(wanted)
        number = len(asked)
        path = tmp_path / f"{number}.jsonl"
        path.write_text(json.dumps({"question": f"problem {number}", "answer": f"0{number}"}) + "\n")
        return str(path)

    fake_hub(monkeypatch, download)
    loaded = load("aime2025")
    assert [(one.source, one.problem, one.gold) for one in loaded.rows] == [
        ("aime2025", "problem 1", "1"),
        ("aime2025", "problem 2", "2"),
    ]
    assert [one["filename"] for one in asked] == ["aime2025-I.jsonl", "aime2025-II.jsonl"]
    assert {one["revision"] for one in asked} == {BENCHMARKS["aime2025"].hub.revision}  # type: ignore[union-attr]
    assert {(one["repo_id"], one["repo_type"]) for one in asked} == {("opencompass/AIME2025", "dataset")}
    assert "2 rows, but aime2025 has 30" in loaded.warnings[0]


def test_worked_solutions_of_gsm8k_give_what_follows_the_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.jsonl"
    path.write_text(json.dumps({"question": "How many eggs?", "answer": "1,000 + 1,125\n#### 2,125"}) + "\n")
    fake_hub(monkeypatch, lambda **_: str(path))
    assert [one.gold for one in load("gsm8k").rows] == ["2125"]


def test_without_a_network_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(**_: str) -> str:
        raise FileNotFoundError("not in the cache\nand more")

    fake_hub(monkeypatch, download)
    with pytest.raises(InputError, match=r"'math500' could not be fetched .*not in the cache\. .*path of a file"):
        load("math500")


def test_without_the_hub_client_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"pip install 'promptcot\[hub\]'"):
        load("math500")


def test_files_and_nano_need_no_hub_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert len(load("nano").rows) == 200
    assert len(load(written(tmp_path, row())).rows) == 1
