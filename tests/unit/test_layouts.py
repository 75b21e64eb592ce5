"""Rows of known data sets: what each verb reads from a row of each layout. To add one, add it to the table of cases.

A case has a row, the `problem` and the `answer` in it (None: it has none), its `traces`, and what a training learns
(`learnt`). The names of columns are those of the data sets; the contents are made up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import promptcot
from promptcot.core.columns import Columns, parse
from promptcot.core.layouts import LAYOUTS
from promptcot.core.problems import gold_of, problem_of
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import InputError, UsageError
from promptcot.storage.writer import RowWriter
from promptcot.training.data.reading import Example
from promptcot.training.data.rows import examples
from promptcot.training.data_recipe import Data
from tests.unit.training.materials import CHATML, tokenizer

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "cases" / "layouts.json").read_bytes())
each = pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
ANSWERS = {"solve": r"So \boxed{4}.", "extract": '```python\n["a", "b", "c", "d", "e"]\n```'}


def asks(verb: str) -> tuple[ScriptedEngine, list[str]]:
    """An engine that answers a verb, and the texts that it is asked."""
    asked: list[str] = []

    def answer(request: promptcot.Request) -> str:
        asked.append(request.prompt)
        return ANSWERS[verb]

    return ScriptedEngine(answer), asked


@each
def test_solve_asks_the_problem_and_carries_every_column_along(case: dict[str, Any]) -> None:
    engine, asked = asks("solve")
    [row] = promptcot.solve([case["row"]], model=engine).rows
    assert case["problem"] in asked[0]
    kept = {name: value for name, value in case["row"].items() if name not in ("id", "answer", "completion")}
    assert {name: row.get(name) for name in kept} == kept
    assert problem_of(row, "here") == case["problem"]
    if case["answer"] is not None:
        assert gold_of(row, "here") == case["answer"]


@each
def test_extract_names_the_concepts_of_the_problem(case: dict[str, Any]) -> None:
    engine, asked = asks("extract")
    [row] = promptcot.extract([case["row"]], model={"one": engine}, prompts="math").rows
    assert (case["problem"] in asked[0], row["problem"]) == (True, case["problem"])


@each
def test_label_and_grade_read_every_trace(case: dict[str, Any]) -> None:
    if not case["traces"]:
        with pytest.raises(InputError, match=r"no text in `completion`.*it has `"):
            promptcot.label([case["row"]])
        return
    [labelled] = promptcot.label([case["row"]]).rows or promptcot.label([case["row"]]).dropped
    assert labelled["n"] == len(case["traces"])
    if case["answer"] is None:
        with pytest.raises(InputError, match=r"no gold.*it has `"):
            promptcot.grade([case["row"]])
    else:
        rows = promptcot.grade([case["row"]]).rows
        assert [row["correct"] for row in rows] == [r"\boxed{4}" in trace for trace in case["traces"]]
        source = case["row"].get("source", case.get("source", case["layout"]))
        assert {row["source"] for row in rows} == {source}


@each
def test_training_learns_the_trace_or_the_solution_after_the_problem(case: dict[str, Any], tmp_path: Path) -> None:
    writer = RowWriter(tmp_path / "rows.jsonl")
    writer.write(case["row"])
    writer.commit()
    found = list(examples(Data(path=[str(writer.path)]), tokenizer(CHATML)))
    if not case["learnt"]:
        assert [getattr(one, "reason", None) for one in found] in (["no completion"], [_nothing(case["row"])])
        return
    assert [one.completion for one in found if isinstance(one, Example)] == case["learnt"]
    assert all(isinstance(one, Example) and case["problem"] in one.prompt for one in found)


def _nothing(row: Mapping[str, Any]) -> str:
    from promptcot.core.columns import fields_of

    mapped = next(Columns().chats([dict(row)]))
    return f"no prompt, completion or messages: {fields_of(dict.fromkeys(mapped, ''))}"


@each
def test_what_was_taken_for_what_is_told_once(case: dict[str, Any]) -> None:
    told: list[str] = []
    columns = Columns(tell=told.append)
    for _ in range(2):
        list(columns.traces([case["row"]] * 3, sourced=True))
    if case["layout"] is None:
        assert told == []
    elif told:
        [line] = told
        assert line.startswith(f"rows look like {case['layout']}: ")


def test_every_layout_of_the_table_has_a_case() -> None:
    assert {layout.name for layout in LAYOUTS} - {case["layout"] for case in CASES} == {"questions"}


ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ours win", {"question": "q", "problem": "p", "answer": "1"}, {"problem": "p", "answer": "1"}),
    ("a raw prompt is ours", {"prompt": "p", "messages": [{"role": "user", "content": "m"}]}, {"prompt": "p"}),
    ("no answer is made of a solution without a box", {"problem": "p", "solution": "4"}, {"answer": None}),
    ("several user turns are no problem", {"messages": [{"role": "user", "content": "a"}] * 2}, {"problem": None}),
    ("a question alone", {"question": "q", "topic": "t"}, {"problem": "q", "topic": "t"}),
    ("a hole in reward_model", {"prompt": [{"role": "user", "content": "q"}], "reward_model": {}}, {"answer": None}),
]


@pytest.mark.parametrize(("row", "expected"), [one[1:] for one in ROWS], ids=[one[0] for one in ROWS])
def test_a_row_is_read_without_guessing(row: dict[str, Any], expected: dict[str, Any]) -> None:
    [(_, found)] = Columns().problems([row])
    assert {name: found.get(name) for name in expected} == expected


SEVERAL: list[tuple[str, list[dict[str, Any]], str, str]] = [
    (
        "the first trace is null",
        [{"question": "q", "final_answer": "1", "r1_solution_1": None}, {"question": "q", "r1_solution_1": "t"}],
        "",
        "DeepMath: problem = question, answer = final_answer, completion = r1_solution_1",
    ),
    (
        "the first gold is null",
        [{"question": "q", "final_answer": None}, {"question": "q", "final_answer": ["1"]}],
        "",
        "OlympiadBench: problem = question, answer = final_answer",
    ),
    (
        "a named column is null at first",
        [{"q": "a", "g": None}, {"q": "a"}, {"q": "a", "g": "1"}],
        "problem=q,answer=g",
        "problem = q, answer = g",
    ),
    ("one of two columns", [{"question": "q", "expected_answer": "1"}], "", "problem = question, answer ="),
    (
        "a question beside the prompt",
        [{"prompt": [], "extra_info": {"question": "q"}, "reward_model": {"ground_truth": "1"}}],
        "",
        "problem = what extra_info.question asks,",
    ),
]


@pytest.mark.parametrize(("rows", "given", "line"), [one[1:] for one in SEVERAL], ids=[one[0] for one in SEVERAL])
def test_a_file_is_recognised_by_its_first_rows_and_the_columns_that_were_taken_are_told(
    rows: list[dict[str, Any]], given: str, line: str
) -> None:
    told: list[str] = []
    found = list(Columns(parse(given) if given else {}, told.append).traces(rows))
    assert line in told[0]
    assert len(found) == len(rows)


def test_a_column_of_the_system_is_the_first_turn_of_a_chat() -> None:
    said = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    [row] = Columns().chats([{"system": "s", "conversations": said}])
    assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
    own = [{"from": "system", "value": "own"}, *said]
    [row] = Columns().chats([{"system": "s", "conversations": own}])
    assert [turn["content"] for turn in row["messages"]] == ["own", "q", "a"]


def test_a_row_that_does_not_fit_is_a_failed_row_that_names_its_fields() -> None:
    engine, _ = asks("solve")
    solved = promptcot.solve([{"question": "1 + 1?"}, {"query": "2 + 2?"}, {"question": "3 + 3?"}], model=engine)
    assert (solved.counts.rows_in, solved.counts.rows_out) == (3, 2)
    [failed] = solved.failed
    assert (failed["cause"], failed["query"]) == ("unfit", "2 + 2?")
    assert "it has `query`" in failed["error"]


def test_a_file_whose_first_row_does_not_fit_is_a_mistake() -> None:
    engine, asked = asks("solve")
    words = "row 1: neither `problem` nor `prompt` has a text; .* --columns .*; it has `query`, `gold`"
    with pytest.raises(InputError, match=words):
        promptcot.solve([{"query": "2 + 2?", "gold": "4"}], model=engine)
    assert asked == []


def test_columns_say_otherwise_also_where_our_name_is_there() -> None:
    engine, asked = asks("solve")
    row = {"problem": "the old wording", "new": {"wording": "1 + 1?"}, "answer": "4"}
    solved = promptcot.solve([row], model=engine, columns={"problem": "new.wording"}).rows[0]
    assert (solved["problem"], "1 + 1?" in asked[0]) == ("1 + 1?", True)


def test_a_row_without_a_named_column_is_not_read_by_another() -> None:
    columns = Columns(parse("problem=q"))
    assert "problem" not in [row for _, row in columns.problems([{"q": "a"}, {"problem": "b"}])][1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("problem", "is not FIELD=COLUMN"),
        ("problem=", "is not FIELD=COLUMN"),
        ("problm=q", "did you mean problem"),
        ("problem=a,problem=b", "named twice"),
    ],
)
def test_a_mistake_in_columns_is_named(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(InputError, match="columns: problem=question, but the first row has no 'question': it has `q`"):
        list(Columns({"problem": "question"}).problems([{"q": "a"}]))
