"""The history of one problem, from the lines that steps wrote about it."""

from __future__ import annotations

from typing import Any

import pytest

from promptcot.core.history import Contamination, Copy, Fate, Found, assemble

_ROW = {"id": "p", "level": "AIME", "foundational_concepts": ["primes"], "problem": "Find 2 + 2.", "rationale": "Add."}
_JUDGED = {**_ROW, "judge": "a", "judgement": "bad", "ratings": {"format": "perfect"}, "completion": "Poor."}
_LABELLED = {**_ROW, "answer": "4", "label": "4", "agreement": 0.75, "pass_rate": 0.5, "n": 4}


def found(step: str, outcome: Any = "out", **more: Any) -> Found:
    return Found(step, outcome, {**_ROW, **more})


def trace(sample: int, answer: str, **more: Any) -> Found:
    return found("solve", sample=sample, completion=f"So \\boxed{{{answer}}}", **more)


FATES = {
    "nothing is known of it": ([], Fate("under way")),
    "a step has it and none behind it does": ([found("sample"), found("generate")], Fate("under way", "generate")),
    "it is in the set": ([found("sample"), found("select"), found("set")], Fate("in the set")),
    "it is left out": ([found("sample"), found("filter", "dropped", reason="bad")], Fate("dropped", "filter", "bad")),
    "it failed": (
        [found("sample"), found("generate", "failed", cause="timeout", error="…")],
        Fate("failed", "generate", "timeout"),
    ),
    "a judge failed and the filter decided": (
        [found("judge-a", "failed", cause="timeout"), found("filter", "dropped", reason="missing verdict")],
        Fate("dropped", "filter", "missing verdict"),
    ),
    "one trace failed and another came": (
        [found("solve"), found("solve", "failed", cause="timeout")],
        Fate("under way", "solve"),
    ),
    "an earlier version wrote no reason": ([found("filter", "dropped")], Fate("dropped", "filter", None)),
    "the reason is no text": ([found("filter", "dropped", reason=["x"])], Fate("dropped", "filter", None)),
}


@pytest.mark.parametrize("name", FATES)
def test_the_fate_is_what_the_last_step_says(name: str) -> None:
    events, fate = FATES[name]
    assert assemble("p", events).fate == fate


def test_texts_and_figures_come_from_the_last_row_that_has_them() -> None:
    history = assemble("p", [found("generate", problem="Find 1."), found("label", **_LABELLED)])
    assert (history.problem, history.level, history.concepts) == ("Find 2 + 2.", "AIME", ("primes",))
    assert (history.answer, history.agreement, history.pass_rate, history.n) == ("4", 0.75, 0.5, 4)


def test_judges_have_their_ratings_and_words() -> None:
    events = [Found("judge-a", "out", _JUDGED), found("filter", judgements={"a": "bad", "b": "perfect"})]
    first, second = assemble("p", events).judged
    assert (first.judge, first.verdict, first.ratings, first.critique) == ("a", "bad", {"format": "perfect"}, "Poor.")
    assert (second.judge, second.verdict, second.ratings, second.critique) == ("b", "perfect", {}, None)


def test_judges_are_read_from_the_set_where_their_files_are_gone() -> None:
    row = {
        "ratings": [{"judge": "a", "judgement": "perfect", "format": "acceptable"}],
        "critiques": [{"judge": "a", "critique": "Fine."}],
    }
    [judged] = assemble("p", [found("set", **row)]).judged
    assert (judged.verdict, judged.ratings, judged.critique) == ("perfect", {"format": "acceptable"}, "Fine.")


def test_traces_are_right_or_wrong_by_the_answer_of_the_problem() -> None:
    events = [trace(0, "4"), trace(1, "4.0", truncated=True), trace(2, "5"), found("label", **_LABELLED)]
    traces = assemble("p", events).traces
    assert [(one.sample, one.answer, one.correct) for one in traces] == [
        (0, "4", True),
        (1, "4.0", True),
        (2, "5", False),
    ]
    assert [one.truncated for one in traces] == [False, True, False]
    assert [one.correct for one in assemble("p", [trace(0, "4"), found("label", "dropped", label=None)]).traces] == [
        None
    ]


def test_the_trace_of_a_labelled_row_stands_in_where_the_traces_are_gone() -> None:
    [kept] = assemble("p", [found("label", **_LABELLED, trace="So \\boxed{4}")]).traces
    assert (kept.sample, kept.answer, kept.correct) == (None, "4", True)


def test_very_long_answers_are_compared_as_they_are_written() -> None:
    long = "x" * 5000
    [same, other] = assemble("p", [trace(0, long), trace(1, long + "y"), found("label", answer=long)]).traces
    assert (same.correct, other.correct) == (True, None)


def test_votes_copies_and_contamination_are_as_the_steps_wrote_them() -> None:
    validity = {
        "verdict": "invalid",
        "votes": {"valid": 1, "invalid": 4},
        "criteria": {"one answer": {"yes": 1, "no": 4}},
    }
    voted = assemble("p", [found("verify", "dropped", reason="invalid: one answer", validity=validity, findings="No.")])
    assert (voted.validity, voted.votes, voted.findings) == ("invalid", {"valid": 1, "invalid": 4}, "No.")
    assert voted.voted == {"one answer": {"yes": 1, "no": 4}}
    copy = assemble("p", [found("dedup", "dropped", copy_of="q", rule="near", similarity=0.91)]).copy
    assert copy == Copy("q", "near", 0.91)
    hit = {
        "benchmark": "gsm8k",
        "row": 3,
        "id": "x",
        "problem": "Find.",
        "rule": "exact",
        "share": 1.0,
        "overlap": "Find",
    }
    same = assemble("p", [found("decontaminate", "dropped", contamination=hit)]).contamination
    assert same == Contamination("gsm8k", 3, "x", "Find.", "exact", 1.0, "Find")
    suspected = assemble("p", [found("decontaminate", suspected={"contamination": hit})]).contamination
    assert suspected == same


ODD = [None, True, 7, 1e999, "text", [], [None, 3], {}, {"a": [1]}, {"votes": 3}, {"verdict": {}}]
FIELDS = (
    *("level", "foundational_concepts", "rationale", "problem", "answer", "label", "agreement", "pass_rate", "n"),
    *("validity", "findings", "judge", "judgement", "judgements", "ratings", "critiques", "completion", "sample"),
    *("truncated", "completion_tokens", "model", "copy_of", "rule", "similarity", "contamination", "suspected"),
    *("reason", "cause", "trace"),
)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_any_type_is_no_error(field: str) -> None:
    for odd in ODD:
        for step, outcome in (("solve", "out"), ("filter", "dropped"), ("judge-a", "failed"), ("set", "out")):
            more = {"sample": 0, "completion": "x", "judge": "a", "contamination": {"benchmark": odd}, field: odd}
            assemble("p", [found(step, outcome, **more)]).as_json()
