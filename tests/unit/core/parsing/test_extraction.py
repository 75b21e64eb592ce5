"""The replies of annotators that name concepts: a table of hard cases, and properties that hold for any text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.parsing.blocks import Unreadable
from promptcot.core.parsing.extraction import LONGEST, parse
from tests.programs import computing_at_most

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "cases" / "extraction.jsonl").read_text(encoding="utf-8").splitlines()
]
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
PHRASES = WORDS.map(lambda word: " ".join(word.split())).filter(lambda word: word and "think>" not in word)
LISTS = st.lists(PHRASES, min_size=1, unique_by=str.casefold)


@pytest.mark.parametrize("case", CASES, ids=[case["note"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    expected = tuple(case["concepts"]) if "concepts" in case else Unreadable(case["reason"])
    assert parse(case["reply"], case["n"], case["finish_reason"]) == expected


def test_the_table_of_cases_is_large_and_has_no_case_twice() -> None:
    assert len({(case["reply"], case["n"], case["finish_reason"]) for case in CASES}) == len(CASES) >= 180


@given(LISTS)
def test_what_json_writes_is_read_back(concepts: list[str]) -> None:
    for ascii_only in (True, False):
        written = json.dumps(concepts, ensure_ascii=ascii_only)
        for reply in (f"```json\n{written}\n```", f"~~~\n{written} ~~~", written, f'{{"concepts": {written}}}'):
            assert parse(reply, len(concepts)) == tuple(concepts)


@given(LISTS)
def test_what_python_writes_is_read_back(concepts: list[str]) -> None:
    quoted = [f"'{concept}'" if '"' in concept else f'"{concept}"' for concept in concepts]
    if any("\\" in concept or {'"', "'"} <= {*concept} for concept in concepts):
        quoted = [json.dumps(concept) for concept in concepts]
    assert parse(f"```python\n[{', '.join(quoted)}]\n```", len(concepts)) == tuple(concepts)


@given(st.text(), st.integers(0, 3))
def test_any_text_gives_so_many_distinct_concepts_or_a_reason(text: str, n: int) -> None:
    for reply in (text, f"[{text}]", f"```\n[{text}]\n```", f'{{"concepts": [{text}]}}', f"Concepts:\n{text}"):
        found = parse(reply, n)
        if isinstance(found, Unreadable):
            assert found.reason
        else:
            assert len({*found}) == len(found) == n
            assert all(concept.strip() == concept and 0 < len(concept) <= LONGEST for concept in found)


@pytest.mark.parametrize(
    "text",
    [
        "```python\n" * 20_000,
        "```\n[" + '"a", ' * 50_000,
        '```\n["' + "\\" * 200_001 + "\n```",
        '```\n["' + "\\u0041" * 30_000 + "\n```",
        "```\n" + "x " * 100_000 + "= [\n```",
        "#" * 200_000,
        "Concepts:\n" + "**" * 100_000,
        "Concepts:\n" + "\n".join(["1" + " " * 2_000 + "."] * 100),
        "Concepts" + " " * 200_000 + "x",
        ': ["' * 60_000,
        '["a"\n\n' * 30_000,
        '["a", # : [\n\n' * 20_000,
        "\n" * 200_000 + "[" + " " * 200_000,
        "[\n" * 100_000,
        "```\n[" + "/*" + "*" * 200_000 + "\n```",
        '```\n{"concepts": ' + '"a", "b": ' * 30_000 + "\n```",
        '["a"]' + "</s> " * 40_000 + "x",
    ],
    ids=[
        *("fences", "items", "backslashes", "escapes", "name", "heading", "bold", "numbers", "marker"),
        *(
            "labels",
            "broken lists",
            "comments with lists",
            "space",
            "brackets",
            "open comment",
            "members",
            "end tokens",
        ),
    ],
)
def test_a_hostile_reply_is_unreadable_in_time_that_grows_with_its_length(text: str) -> None:
    with computing_at_most():
        assert isinstance(parse(text, 2), Unreadable)
