"""Labels within a run: one row per problem, the labels of the verb, and the dropped rows with reasons."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from promptcot import domains
from promptcot.core.labelling import Band
from promptcot.core.refusing import Refusal
from promptcot.grading.graders import Graders
from promptcot.pipeline.synchronous import wait_for
from promptcot.records import Dropped, Row
from promptcot.stages.answers import Answers
from promptcot.stages.label import Settings, label_file
from promptcot.stages.labelled import Label
from promptcot.storage.rows import read_rows

BOXES: dict[str, list[str | None]] = {
    "agreed": ["1/2", "0.5", "3", None],
    "tied": ["1", "2", "2", "1"],
    "silent": [None, None],
    "easy": ["4", "4", "4", "4"],
    "one": ["7"],
    "choice": ["(C) 12", "C", "12", "13"],
    "wordings": [r"\frac{1}{2}", "0.5", "0.5", "1/2"],
    "units": ["5 cm", "5", "5 m", "5"],
}


def text(box: str | None) -> str:
    return "I cannot say." if box is None else rf"<think>so</think> It is $\boxed{{{box}}}$."


def traces(name: str, boxes: Sequence[str | None], **more: Any) -> list[Row]:
    told = {"id": name, "problem": f"Find {name}.", "level": "AIME", "finish_reason": "stop", "trace_count": len(boxes)}
    told |= {"model": "teacher", **more}
    return [{**told, "sample": n, "completion": text(box), "completion_tokens": n} for n, box in enumerate(boxes)]


REFUSALS = (Refusal(reason="contradictory", boxed=("impossible",)),)


@pytest.fixture(scope="module")
def graders() -> Iterator[Graders]:
    with Graders(1) as open_graders:
        yield open_graders


def label(graders: Graders, rows: Sequence[Row], band: Band = Band(), refusals: Any = ()) -> list[Any]:  # noqa: B008
    """What the step gives, with the reason where it leaves a problem out."""
    step = Label(graders, band, Answers(refusals))
    found: list[Any] = []
    for row in rows:
        made = step.apply(row)
        found += [made] if isinstance(made, Dropped) else made
    return [*found, *step.finish()]


def reasons(found: Sequence[Any]) -> dict[str, str | None]:
    dropped = {one.row["id"]: one.drop.reason for one in found if isinstance(one, Dropped)}
    return {**{row["id"]: None for row in found if not isinstance(row, Dropped)}, **dropped}


BANDS = [Band(), Band(min_agreement=0.6), Band(min_pass_rate=0.6), Band(max_pass_rate=0.9)]


@pytest.mark.parametrize("band", BANDS, ids=str)
def test_the_same_traces_get_the_labels_of_the_verb(tmp_path: Path, graders: Graders, band: Band) -> None:
    rows = [row for name, boxes in BOXES.items() for row in traces(name, boxes)]
    source, target = tmp_path / "traces.jsonl", tmp_path / "labels.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = Settings(band, domains.load("math"))
    wait_for(label_file(source, {"label": target}, graders, settings, lambda _: None))
    by_verb = list(read_rows(target, may_be_empty=True))
    dropped = tmp_path / "labels.dropped.jsonl"
    found = label(graders, rows, band)
    kept = [row for row in found if not isinstance(row, Dropped)]
    assert [{key: row[key] for key in row if key not in ("answer", "trace")} for row in kept] == by_verb
    assert [{**one.row, "reason": one.drop.reason} for one in found if isinstance(one, Dropped)] == [
        *(read_rows(dropped) if dropped.exists() else ())
    ]
    assert all(row["answer"] == row["label"] for row in kept)


def test_a_problem_is_given_with_its_last_trace_and_holds_nothing_of_the_others(graders: Graders) -> None:
    step = Label(graders, Band(), Answers())
    given = [step.apply(row) for row in traces("agreed", BOXES["agreed"])]
    assert given[:3] == [[], [], []]
    [row] = given[3]  # type: ignore[misc]
    assert row == {
        **{"id": "agreed", "problem": "Find agreed.", "level": "AIME", "label": "1/2", "n": 4, "answered": 3},
        **{"agreement": pytest.approx(2 / 3), "margin": pytest.approx(1 / 3), "pass_rate": 0.5, "mean_tokens": 1.5},
        **{"model": "teacher", "refused": 0, "refusals": {}, "answer": "1/2", "trace": text("1/2")},
    }
    assert list(step.finish()) == []


CHOSEN: list[tuple[str, list[dict[str, Any]], int | None]] = [
    ("the first that agrees", [{"box": "3"}, {"box": "4"}, {"box": "4"}], 1),
    ("not one that was cut off", [{"box": "4", "finish_reason": "length"}, {"box": "4"}, {"box": "4"}], 1),
    ("not a malformed one", [{"box": "4", "malformed": "thinking opened again"}, {"box": "3"}, {"box": "4"}], 2),
    ("another wording of the label", [{"box": "0.5"}, {"box": "1/2"}, {"box": "1/2"}], 0),
    ("none is whole", [{"box": "4", "truncated": True}] * 3, None),
]


@pytest.mark.parametrize(("given", "chosen"), [case[1:] for case in CHOSEN], ids=[case[0] for case in CHOSEN])
def test_the_trace_is_the_first_whole_one_that_gives_the_label(
    graders: Graders, given: list[dict[str, Any]], chosen: int | None
) -> None:
    boxes = [one["box"] for one in given]
    rows = [{**row, **one} for row, one in zip(traces("a", boxes), given, strict=True)]
    [found] = label(graders, rows)
    assert found["trace"] == (None if chosen is None else text(boxes[chosen]))


def test_thinking_that_the_prompt_opened_is_opened_in_the_trace(graders: Graders) -> None:
    [row] = traces("a", ["4"])
    [found] = label(graders, [{**row, "completion": "so\n</think>\n" + r"\boxed{4}<|im_end|>"}])
    assert found["trace"] == "<think>\nso\n</think>\n" + r"\boxed{4}"


REFUSED: list[tuple[str, list[str | None], str | None]] = [
    ("all", ["impossible"] * 4, "refused by most traces"),
    ("more than half", ["impossible"] * 3 + ["4"], "refused by most traces"),
    ("half", ["impossible", "impossible", "4", "4"], None),
    ("half, and no answer", ["impossible", None], "unlabelled: no answer"),
    ("one", ["4", "impossible", "4", "5"], None),
    ("the largest class is no label", ["impossible", "impossible", "4", "5"], "unlabelled: tie"),
]


@pytest.mark.parametrize(("boxes", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_problem_that_most_traces_refuse_is_left_out_and_no_label_is_a_refusal(
    graders: Graders, boxes: list[str | None], reason: str | None
) -> None:
    found = label(graders, traces("a", boxes), refusals=REFUSALS)
    assert reasons(found) == {"a": reason}
    row = found[0].row if isinstance(found[0], Dropped) else found[0]
    count = boxes.count("impossible")
    assert (row["refused"], row["refusals"]) == (count, {"contradictory": count} if count else {})
    assert row["label"] != "impossible"


VOTES: list[tuple[str, Any, float | None, str | None]] = [
    ("enough", {"valid": 5, "invalid": 0, "undecided": 0}, 0.6, None),
    ("too few with those of traces", {"valid": 3, "invalid": 1, "undecided": 1}, 0.6, "too few valid votes"),
    ("just enough", {"valid": 3, "invalid": 1, "undecided": 1}, 0.5, None),
    ("exactly the bound, which is rounded in a product", {"valid": 14, "invalid": 9, "undecided": 0}, 0.56, None),
    ("no bound", {"valid": 1, "invalid": 4, "undecided": 0}, None, None),
    ("no votes", None, 0.6, None),
    ("no counts", {"valid": "many", "invalid": None}, 0.6, "too few valid votes"),
]


@pytest.mark.parametrize(("votes", "least", "reason"), [case[1:] for case in VOTES], ids=[case[0] for case in VOTES])
def test_refusing_traces_are_votes_beside_those_of_verify(
    graders: Graders, votes: Any, least: float | None, reason: str | None
) -> None:
    """Two of four traces refuse."""
    rows = traces("a", ["impossible", "4", "4", "impossible"], validity=votes and {"verdict": "valid", "votes": votes})
    [found] = reasons(label(graders, rows, Band(min_share=least), REFUSALS)).values()
    assert (found is None) == (reason is None)
    assert (found or "").startswith(reason or "")


def test_a_problem_of_which_a_step_took_traces_is_labelled_by_those_that_are_left(graders: Graders) -> None:
    a, b, c = (traces(name, ["4", "4", "5"]) for name in "abc")
    found = label(graders, [*a[:2], *b, *c[:2]])
    assert [(row["id"], row["n"]) for row in found] == [("a", 2), ("b", 3), ("c", 2)]


def test_a_problem_without_any_count_ends_where_the_next_begins(graders: Graders) -> None:
    rows = [{key: value for key, value in row.items() if key != "trace_count"} for row in traces("a", ["4"])]
    assert [row["id"] for row in label(graders, [*rows, *traces("b", ["4"]), *traces("c", ["4"])])] == ["a", "b", "c"]


def test_several_models_stand_side_by_side(graders: Graders) -> None:
    rows = [*traces("a", ["4", "5"], trace_count=5), *traces("a", ["4", "4.0", None], model="other", trace_count=5)]
    [found] = label(graders, rows)
    assert found["model"] is None
    assert found["pass_rate"] == 0.6
    assert found["models"] == {
        "teacher": {"pass_rate": 0.5, "n": 2},
        "other": {"pass_rate": pytest.approx(2 / 3), "n": 3},
    }


def test_the_summary_has_validity_by_agreement_of_all_problems_also_of_those_left_out(graders: Graders) -> None:
    step = Label(graders, Band(min_agreement=0.9), Answers())
    verdicts = ["valid", "valid", "undecided", "valid"]
    for (name, boxes), verdict in zip(BOXES.items(), verdicts, strict=False):
        for row in traces(name, boxes, validity={"verdict": verdict}):
            step.apply(row)
    for row in traces("one", ["7"]):
        step.apply(row)
    assert step.summary() == {
        "validity_by_agreement": {
            "valid": {"1": 1, ">=0.75": 0, ">=0.5": 1, "<0.5": 0, "none": 1},
            "undecided": {"1": 0, ">=0.75": 0, ">=0.5": 0, "<0.5": 0, "none": 1},
            "not verified": {"1": 1, ">=0.75": 0, ">=0.5": 0, "<0.5": 0, "none": 0},
        }
    }


def test_closing_ends_the_grading_processes() -> None:
    graders = Graders(1)
    step = Label(graders, Band(), Answers())
    for row in traces("a", [r"\sin(x)^2", r"1-\cos(x)^2"]):
        step.apply(row)
    pids = graders.of().pids
    assert pids
    step.close()
    assert not graders.of().pids
