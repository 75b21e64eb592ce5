"""The exact columns of each trainer's format, and the conversion from a row back to the example."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.errors import UsageError
from promptcot.exports.examples import Example
from promptcot.exports.formats import FORMATS, format_of
from promptcot.exports.formats.format import SPLITS, Format
from promptcot.records import Message
from tests.exports import ASKED, EXTRA, PROBLEM, arrow, example

USER = {"role": "user", "content": ASKED}
TRACE = example().completion
KNOWN = {"level": "AIME", "pass_rate": 0.5, "n": 4, "foundational_concepts": ["sums"]}
NAMED = {"id": "p1", "problem": PROBLEM, "answer": "4", **KNOWN}
WITHOUT_ANSWER = {"id": "p1", "problem": PROBLEM, **KNOWN}
INFO = {"split": "train", "index": 7, "id": "p1", "question": PROBLEM, **KNOWN}


def said(text: str | None) -> list[dict[str, str | None]]:
    return [{"role": "assistant", "content": text}]


ROWS: list[tuple[str, str, dict[str, Any]]] = [
    ("sft", "messages", {"messages": [USER, *said(TRACE)], **NAMED}),
    ("sft", "conversation", {"prompt": [USER], "completion": said(TRACE), **NAMED}),
    ("sft", "prompt-completion", {"prompt": ASKED, "completion": TRACE, **NAMED}),
    ("sft", "text", {"text": f"{ASKED}\n\n{TRACE}", "prompt_length": len(ASKED), **NAMED}),
    ("dpo", "messages", {"prompt": [USER], "chosen": said("\\boxed{4}"), "rejected": said("\\boxed{5}"), **NAMED}),
    ("dpo", "text", {"prompt": ASKED, "chosen": "\\boxed{4}", "rejected": "\\boxed{5}", **NAMED}),
    ("trl", "messages", {"prompt": [USER], "answer": "4", **WITHOUT_ANSWER}),
    ("trl", "text", {"prompt": ASKED, "answer": "4", **WITHOUT_ANSWER}),
    (
        "verl",
        "messages",
        {
            "data_source": "promptcot",
            "prompt": [USER],
            "ability": "math",
            "reward_model": {"style": "rule", "ground_truth": "4"},
            "extra_info": INFO,
        },
    ),
    ("openrlhf", "messages", {"input": [USER], "label": "4", "datasource": "promptcot", **WITHOUT_ANSWER}),
    ("openrlhf", "text", {"input": ASKED, "label": "4", "datasource": "promptcot", **WITHOUT_ANSWER}),
    ("nemo-rl", "text", {"input": ASKED, "output": "4", **WITHOUT_ANSWER}),
    (
        "nemo-gym",
        "messages",
        {
            "responses_create_params": {"input": [USER]},
            "expected_answer": "4",
            "question": PROBLEM,
            "agent_ref": {"type": "responses_api_agents", "name": "simple_agent"},
            "id": "p1",
            **KNOWN,
        },
    ),
    (
        "skyrl",
        "messages",
        {
            "data_source": "promptcot",
            "prompt": [USER],
            "env_class": "promptcot",
            "reward_spec": {"method": "rule", "ground_truth": "4"},
            "extra_info": INFO,
        },
    ),
    ("prime", "messages", {"prompt": [USER], "answer": "4", **WITHOUT_ANSWER}),
    ("prime", "text", {"prompt": ASKED, "answer": "4", **WITHOUT_ANSWER}),
]
ALL = [(name, layout) for name, layout, _ in ROWS]
HELD = {"sft": ("completion",), "pairs": ("chosen", "rejected"), "rl": ()}
"""What a kind of training holds of an example beside what all of them do."""


def test_each_layout_of_each_format_stands_in_the_table() -> None:
    assert sorted(ALL) == sorted((name, layout) for name, one in FORMATS.items() for layout in one.layouts)


@pytest.mark.parametrize(("name", "layout", "row"), ROWS)
def test_a_row_has_exactly_the_columns_that_the_trainer_reads(name: str, layout: str, row: dict[str, Any]) -> None:
    assert format_of(name, layout).row(example(), "train", 7) == row


@pytest.mark.parametrize(("name", "layout", "row"), ROWS)
def test_a_schema_has_the_types_of_the_rows(name: str, layout: str, row: dict[str, Any]) -> None:
    """Arrow takes a row by the schema and gives the same row, so that neither has a field that the other lacks."""
    schema = format_of(name, layout).schema(EXTRA)
    assert list(schema) == list(row)
    typed = pa.schema([(column, arrow(kind)) for column, kind in schema.items()])
    assert pa.Table.from_pylist([row], typed).to_pylist() == [row]
    assert pa.Table.from_pylist([row]).schema == typed


def kept(format: Format, one: Example) -> Example:
    """The example without what its kind of training does not use."""
    others = {field: None for kind, fields in HELD.items() if kind != format.kind for field in fields}
    return replace(one, **others)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FULL = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
EXAMPLES = st.builds(
    lambda system, prompt, **rest: Example(
        prompt=prompt,
        messages=(*([Message("system", system)] if system else []), Message("user", prompt)),
        **rest,
    ),
    st.none() | FULL,
    FULL,
    id=FULL,
    problem=st.none() | TEXT,
    answer=FULL,
    completion=TEXT,
    chosen=TEXT,
    rejected=TEXT,
    extra=st.fixed_dictionaries(
        {
            "level": st.none() | TEXT,
            "pass_rate": st.none() | st.floats(0, 1),
            "n": st.none() | st.integers(0, 100),
            "foundational_concepts": st.lists(TEXT),
        }
    ),
)


@pytest.mark.parametrize(("name", "layout"), ALL)
@given(one=EXAMPLES)
def test_the_way_back_loses_nothing(name: str, layout: str, one: Example) -> None:
    format = format_of(name, layout)
    if format.unfit(one):
        assert len(one.messages) > 1 or "<image>" in one.prompt
        return
    assert format.example(format.row(one, "train", 3)) == kept(format, one)


@pytest.mark.parametrize(("name", "layout"), ALL)
def test_a_field_with_a_name_that_means_something_to_the_trainer_is_left_out(name: str, layout: str) -> None:
    """Else a column `margin` would enter the loss of a DPO, and `images` make a picture of a prompt."""
    format = format_of(name, layout)
    odd = {"prompt": "x", "margin": 0.5, "images": "x", "messages": "x", "tools_kwargs": "x", "question": "x"}
    plain, changed = example(extra=KNOWN), example(extra={**KNOWN, **odd})
    row, other = format.row(plain, "train", 0), format.row(changed, "train", 0)
    taken = getattr(format, "taken", frozenset())
    inner, known = other.get("extra_info", other), row.get("extra_info", row)
    assert {column: inner[column] for column in inner if column in taken or column in known} == {
        column: known[column] for column in known
    }
    assert set(format.schema({**EXTRA, **dict.fromkeys(odd, "string")})) == set(other)


@pytest.mark.parametrize(
    ("name", "column"),
    [("dpo", "margin"), ("dpo", "images"), ("nemo-rl", "messages"), ("openrlhf", "images"), ("trl", "completions")],
)
def test_what_would_mislead_a_trainer_is_known(name: str, column: str) -> None:
    assert column not in format_of(name).row(example(extra={column: "x"}), "train", 0)


@pytest.mark.parametrize("name", ["verl", "skyrl", "openrlhf"])
def test_metrics_are_grouped_by_the_source_of_a_row(name: str) -> None:
    column = "datasource" if name == "openrlhf" else "data_source"
    for source, shown in (("aime", "aime"), (None, "promptcot"), ("", "promptcot")):
        assert format_of(name).row(example(extra={"source": source}), "train", 0)[column] == shown


@pytest.mark.parametrize(
    ("name", "layout", "why"),
    [
        ("sft", "text", "system message"),
        ("sft", "prompt-completion", "system message"),
        ("dpo", "text", "system message"),
        ("trl", "text", "system message"),
        ("openrlhf", "text", "system message"),
        ("nemo-rl", "text", "system message"),
        ("verl", "messages", None),
        ("sft", "messages", None),
    ],
)
def test_a_system_message_has_no_place_in_one_text(name: str, layout: str, why: str | None) -> None:
    told = (Message("system", "Be brief."), Message("user", ASKED))
    assert format_of(name, layout).unfit(example(messages=told)) == why


def test_openrlhf_would_take_a_word_for_a_picture() -> None:
    told = (Message("user", "What does <image> stand for?"),)
    assert format_of("openrlhf").unfit(example(messages=told)) == "<image> in the prompt"


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [("ver", "verl"), ("openrlfh", "openrlhf"), ("verifiers", "prime"), ("grpo", "trl"), ("nemo_gim", "nemo-gym")],
)
def test_an_unknown_trainer_gets_the_nearest(typed: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"no trainer is called '{typed}': did you mean {nearest}\\? one of sft, dpo"):
        format_of(typed)


def test_a_name_may_be_typed_with_underscores_and_capitals() -> None:
    assert [format_of(name).name for name in ("NeMo_RL", "TRL", "nemo-gym")] == ["nemo-rl", "trl", "nemo-gym"]


def test_an_unknown_layout_names_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="verl has no layout 'text': one of messages"):
        format_of("verl", "text")


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_names_its_splits_and_what_was_read(name: str) -> None:
    format = format_of(name)
    assert set(format.files) == set(SPLITS)
    assert len(set(format.files.values())) == len(SPLITS)
    assert format.source.read
    assert any(sign.isdigit() for sign in format.source.version)
