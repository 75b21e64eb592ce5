"""One id is one problem with one gold; a row with two different golds gets a warning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main
from promptcot.core.columns import Columns
from promptcot.core.problems import two_golds
from promptcot.errors import InputError
from promptcot.evaluation.benchmarks import load
from promptcot.evaluation.golds import Contradictions, Problems
from promptcot.grading import Graders
from promptcot.stages.solve import problem_samples
from promptcot.storage.json import dumps

KEY = "own", "p"


@pytest.fixture(scope="module")
def graders() -> Iterator[Graders]:
    with Graders(workers=1, limit=20) as one:
        yield one


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_bytes(b"".join(map(dumps, rows)))
    return path


FIRST = {"problem": "What is 1 + 1?"}
ROWS = [
    ("the same row", FIRST, "1/2", None),
    ("the gold in other words", FIRST, "0.5", None),
    ("a gold that takes algebra", FIRST, r"\frac{\sqrt{4}}{4}", None),
    ("other spaces", {"problem": "What  is 1 +\n1?"}, "1/2", None),
    ("no problem", {}, "1/2", None),
    ("no gold", FIRST, None, None),
    ("another gold", FIRST, "3", "row 2: the gold with id 'p' of own is '3', and in row 1 it is '1/2'"),
    (
        "another problem",
        {"problem": "What is 2?"},
        "1/2",
        "the problem with id 'p' of own is 'What is 2[?]', and in row 1",
    ),
    ("a prompt, which may word it otherwise", {"prompt": "Solve: What is 1 + 1?"}, "1/2", None),
]


@pytest.mark.parametrize(("row", "gold", "message"), [case[1:] for case in ROWS], ids=[case[0] for case in ROWS])
async def test_rows_of_one_id_are_about_one_problem(
    graders: Graders, row: dict[str, Any], gold: str | None, message: str | None
) -> None:
    known = Problems(graders)
    await known.check(KEY, FIRST, "row 1", "1/2")
    await known.check(("other", "p"), {"problem": "Why?"}, "row 0", "7")
    if message is None:
        await known.check(KEY, row, "row 2", gold)
    else:
        with pytest.raises(InputError, match=message):
            await known.check(KEY, row, "row 2", gold)


async def test_a_gold_is_said_to_be_where_it_is(graders: Graders) -> None:
    known = Problems(graders)
    for number, gold in enumerate([None, "2"], 1):
        await known.check(KEY, FIRST, f"row {number}", gold)
    with pytest.raises(InputError, match=r"row 3: the gold with id 'p' of own is '3', and in row 2 it is '2'"):
        await known.check(KEY, FIRST, "row 3", "3")


async def test_predictions_are_about_the_problems_of_their_benchmark(graders: Graders) -> None:
    known = Problems(graders)
    known.know(KEY, "What is 1 + 1?", "2", "the benchmark sums", worded=True)
    await known.check(KEY, FIRST, "row 1", "2")
    await known.check(KEY, {"prompt": "Solve: What is 1 + 1?"}, "row 2", "2")
    with pytest.raises(InputError, match=r"row 3: the problem with id 'p' .* 'Why\?', and in the benchmark sums it is"):
        await known.check(KEY, {"problem": "Why?"}, "row 3", "2")


async def test_prompts_are_compared_with_prompts(graders: Graders) -> None:
    known = Problems(graders)
    chat = "<|im_start|>user\nWhat is 2?<|im_end|>"
    await known.check(KEY, {"prompt": "What is 2?"}, "row 1", None)
    await known.check(KEY, {"prompt": chat}, "row 2", None)
    with pytest.raises(InputError, match=r"row 3: the problem with id 'p' of own is 'What is 3\?', and in row 1"):
        await known.check(KEY, {"prompt": "What is 3?"}, "row 3", None)


GOLDS = [
    ({"answer": "5", "reference_solution": "so #### 5"}, 0),
    ({"answer": "0.5", "reference_solution": "so #### 1/2"}, 0),
    ({"answer": r"\sqrt{4}x", "reference_solution": "so #### 2x"}, 0),
    ({"answer": "5", "reference_solution": "no mark"}, 0),
    ({"answer": "5"}, 0),
    ({"answer": True, "reference_solution": "so #### 5"}, 0),
    ({"answer": "5", "reference_solution": "so #### 6"}, 1),
    ({"answer": ["1", "2"], "reference_solution": "so #### 3"}, 1),
]


@pytest.mark.parametrize(("row", "count"), GOLDS, ids=str)
def test_an_answer_that_contradicts_the_reference_solution_is_told(
    graders: Graders, row: dict[str, Any], count: int
) -> None:
    found = Contradictions(graders)
    found.look(row, "f.jsonl, row 1")
    assert len(found.lines) == count
    assert all("f.jsonl, row 1" in line and "1 row" in line for line in found.lines)


def test_golds_that_are_the_same_text_are_not_looked_at() -> None:
    assert two_golds({"answer": "5", "reference_solution": "#### 5"}) is None


def prediction(**fields: Any) -> dict[str, Any]:
    return {"id": "p1", "source": "own", "answer": "4", "problem": "2+2?", "completion": "\\boxed{4}", **fields}


DIFFERENT = [
    prediction(answer="5"),
    prediction(answer="5", completion="I do not know."),
    prediction(problem="3+3?"),
]


@pytest.mark.parametrize("row", DIFFERENT, ids=["gold", "gold, no answer", "problem"])
@pytest.mark.parametrize("verb", ["grade", "label"])
def test_a_verb_stops_at_another_problem_with_the_same_id_and_names_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str, row: dict[str, Any]
) -> None:
    path = str(write(tmp_path / "p.jsonl", prediction(), row))
    how = {"grade": ["--output-path", path], "label": ["--data_path", path, "--output_path", str(tmp_path / "l.jsonl")]}
    assert main([verb, *how[verb]]) == 1
    told = capsys.readouterr().err
    assert "p.jsonl, row 2" in told
    assert "p.jsonl, row 1" in told
    assert "'p1'" in told


def test_files_that_are_compared_have_the_same_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write(tmp_path / "a.jsonl", prediction())
    b = write(tmp_path / "b.jsonl", prediction(problem="3+3?", answer="6"))
    assert main(["grade", "--compare", str(a), str(b)]) == 1
    assert "'2+2?'" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["grade", "label", "benchmark"])
def test_contradicting_golds_are_told_with_an_example(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    rows = [prediction(reference_solution="#### 4"), prediction(id="p2", problem="3+4?", reference_solution="#### 7")]
    path = str(write(tmp_path / "p.jsonl", *rows))
    out = str(tmp_path / "out.jsonl")
    how = {
        "grade": ["grade", "--output-path", path],
        "label": ["label", "--data_path", path, "--output_path", out],
        "benchmark": ["grade", "--output-path", path, "--benchmark", path],
    }
    assert main(how[verb]) == 0
    told = "".join(capsys.readouterr())
    assert told.count("`answer` contradicts `reference_solution` in 1 row") == (2 if verb == "benchmark" else 1)
    assert "p.jsonl, row 2: '4', and '7' after ####" in told


def test_what_is_solved_is_looked_at_once_however_often_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "p.jsonl", prediction(reference_solution="#### 7"))
    told: list[str] = []
    columns = Columns(tell=told.append)
    assert [len(list(problem_samples(path, 3, columns))) for _ in range(2)] == [3, 3]
    assert len(told) == 1
    assert "1 row" in told[0]


def test_a_benchmark_with_one_id_for_two_problems_names_them(tmp_path: Path) -> None:
    path = write(tmp_path / "b.jsonl", prediction(), prediction(problem="3+3?"))
    with pytest.raises(
        InputError, match=r"row 2: another problem has the same id, p1, in row 1: '3[+]3\?' here, '2[+]2\?'"
    ):
        load(path)


def test_judged_files_with_other_problems_under_the_same_ids_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"id": "p1", "judgement": "perfect", "rationale_and_problem": "one", "completion": "Final Judgement: perfect"}
    a, b = write(tmp_path / "a.jsonl", row), write(tmp_path / "b.jsonl", {**row, "rationale_and_problem": "two"})
    out = str(tmp_path / "out.jsonl")
    assert main(["filter", "--template", str(a), "--template", str(b), "--output_path", out]) == 1
    told = capsys.readouterr().err
    assert "id 'p1' is not the same problem in all files: 'one' in" in told
    assert "'two' in" in told
