"""A row of a set: always the same fields, with None for unknown values."""

from typing import Any

import pytest

from promptcot.core.set_rows import Shape, set_row

SHAPE = Shape(("a", "b"), ("format", "solvability"), ("plan", "problem"))
ROW = {
    "id": "1",
    "level": "AIME",
    "answer": "12",
    "agreement": 1,
    "pass_rate": 0.75,
    "n": 4,
    "refused": 0,
    "model": "T",
    "validity": {"verdict": "valid", "share": 1.0},
    "foundational_concepts": ["sums"],
    "plan": "First.",
    "problem": "Find it.",
    "trace": "So.",
    "of_my_own": 5,
}
JUDGED = {
    "a": {"judgement": "perfect", "ratings": {"format": "perfect", "solvability": "perfect"}, "completion": "Good."},
    "b": {"judgement": "acceptable", "ratings": {"format": "acceptable"}, "completion": "Well."},
}


def test_what_is_short_comes_first_and_long_texts_last() -> None:
    found = set_row(ROW, JUDGED, SHAPE)
    assert [*found] == [
        *("id", "level", "answer", "agreement", "margin", "pass_rate", "mean_tokens", "n", "answered", "refused"),
        *("model", "validity", "validity_share", "judgement", "foundational_concepts", "ratings", "critiques"),
        *("problem", "plan", "trace"),
    ]
    assert (found["answer"], found["agreement"], found["validity"], found["judgement"]) == (
        *("12", 1.0, "valid", "acceptable"),
    )
    assert isinstance(found["agreement"], float)
    assert found["ratings"][1] == {
        **{"judge": "b", "judgement": "acceptable"},
        **{"format": "acceptable", "solvability": None},
    }
    assert found["critiques"] == [{"judge": "a", "critique": "Good."}, {"judge": "b", "critique": "Well."}]


ODD: list[dict[str, Any]] = [
    {"id": 7},
    {**ROW, "answer": 5, "agreement": "all", "n": True, "validity": "valid", "foundational_concepts": "sums"},
    {**ROW, "problem": None, "trace": ["a"], "level": 3},
]


@pytest.mark.parametrize("row", ODD)
def test_odd_rows_have_the_same_fields_of_the_same_kinds(row: dict[str, Any]) -> None:
    usual, found = set_row(ROW, JUDGED, SHAPE), set_row(row, {}, SHAPE)
    assert [*found] == [*usual]
    for name, value in found.items():
        same = value is None or usual[name] is None or type(value) is type(usual[name])
        assert same, name
    assert [one["judge"] for one in found["ratings"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("verdicts", "together"),
    [(["perfect", "perfect"], "perfect"), (["bad", "perfect"], "bad"), (["bad", "what?"], "invalid"), ([], None)],
)
def test_judges_say_together_what_the_strictest_says(verdicts: list[str], together: str | None) -> None:
    judged = {name: {"judgement": verdict} for name, verdict in zip("ab", verdicts, strict=False)}
    assert set_row(ROW, judged, SHAPE)["judgement"] == together
