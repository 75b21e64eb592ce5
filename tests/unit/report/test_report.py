from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptcot.cli import main
from promptcot.errors import InputError
from promptcot.report.choosing import PROBLEMS
from promptcot.report.comparison import changes, comparison_html
from promptcot.report.gathering import gather
from promptcot.report.page import report_html
from promptcot.report.writing import report_at_end, write_report
from promptcot.storage.reviews import Review, append
from tests.small_runs import HOSTILE, make, write


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make(tmp_path / "run")


def page(run: Path) -> str:
    return report_html(gather(run))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", html, flags=re.DOTALL))


def test_a_report_says_what_the_run_made_and_what_it_left_out(run: Path) -> None:
    text = words(page(run))
    assert "The recipe small has made 2 problems: 2 of level AIME" in text
    assert "left out: 1 near copy" in text
    assert "left out: 1 unlabelled: tie" in text
    assert "judges a and b agree on 80% of the 5 problems that both rated" in text.lower()
    assert "on average 75% of a problem’s traces agree" in text


def test_a_report_has_no_script_and_allows_nothing_but_its_own_stylesheet(run: Path) -> None:
    html = page(run)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert not re.search(r"<script|<img|<link|<iframe|javascript:|\sstyle=|\son\w+=", html)


def test_problems_show_the_range_and_none_is_shown_twice(run: Path) -> None:
    chosen = gather(run).chosen
    ids = [one.history.id for one in chosen]
    assert sorted(ids) == ["r0", "r1", "r2", "r3", "r4", "r5"]
    assert len(chosen) <= PROBLEMS
    assert {("r0", "Easy"), ("r3", "Dropped by dedup")} <= {
        (one.history.id, one.why.partition(":")[0]) for one in chosen
    }


def test_a_copy_is_shown_beside_what_it_is_a_copy_of(run: Path) -> None:
    (pair,) = gather(run).copies
    assert (pair.history.id, pair.other, pair.rule) == ("r3", "r0", "edit")
    assert (pair.other_text or "").startswith("0. Find")


def test_judges_that_differ_are_shown(run: Path) -> None:
    report = gather(run)
    assert [one.id for one in report.disputed] == ["r4"]
    assert report.judges[0].verdicts == {("perfect", "perfect"): 4, ("perfect", "bad"): 1}
    assert report.judges[0].criteria["solvability"] == (5, 5)


def test_what_was_not_measured_is_not_zero(tmp_path: Path) -> None:
    run = make(tmp_path / "run")
    for name in ("set", "label", "label.dropped", "solve", "dedup", "dedup.dropped"):
        (run / f"{name}.jsonl").unlink()
    text = words(page(run))
    assert "mean pass rate not measured" in text
    assert "mean agreement not measured" in text


def test_steps_that_a_recipe_lacks_are_named_with_the_section_that_adds_them(run: Path) -> None:
    text = words(page(run))
    assert "a section [verify] in the recipe adds them" in text
    assert "a section [decontaminate] in the recipe adds it" in text
    assert "a section [dedup]" not in text


def test_a_run_that_has_not_ended_is_reported_as_far_as_it_came(run: Path) -> None:
    (run / "summary.json").unlink()
    (run / "set.jsonl").unlink()
    for name in ("label.jsonl", "label.dropped.jsonl"):
        (run / name).rename(run / f"{name}.partial")
    with (run / "label.jsonl.partial").open("ab") as file:
        file.write(b'{"id":"torn","problem":"half a l')
    report = gather(run)
    assert (report.state, report.problems, report.damaged) == ("interrupted", 2, 0)
    assert {step.name: step.out for step in report.steps}["dedup"] == 3
    assert {step.name: step.out for step in report.steps}["solve"] == 3
    assert "This run has not finished" in words(report_html(report))


def test_what_is_gone_of_a_run_is_named(run: Path) -> None:
    (run / "recipe.json").unlink()
    (run / "judge-b.jsonl").unlink()
    text = words(page(run))
    assert (
        "Files of the run directory are missing, with everything that only they contain: recipe.json and judge-b.jsonl"
        in text
    )


def changed(run: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The run, with a change to its summary."""
    summary = json.loads((run / "summary.json").read_bytes())
    change(summary)
    (run / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return run


def with_rows(run: Path, rows: list[dict[str, Any]]) -> Path:
    """The run, with other rows in its set."""
    write(run / "set.jsonl", rows)
    return run


def reject(run: Path, name: str) -> None:
    append(run, Review(name, "reject", "two <b>readings</b>", "Ada", "2026-01-01"))


def test_rows_beyond_the_target_are_not_lost_but_named(run: Path) -> None:
    changed(run, lambda summary: summary["stages"]["sample"]["dropped"].update({"beyond target": 4}))
    text = words(page(run))
    assert "4 more combinations are not counted: the target was reached without them." in text
    assert "4 beyond target" not in text


def test_copies_that_were_found_beyond_the_target_were_not_left_out(run: Path) -> None:
    changed(run, lambda summary: summary.update({"copies": {"rules": {"edit": 3}}}))
    text = words(page(run))
    assert "1 copy was left out" in text
    assert "Copies found in the run: 3, by rule: edit 3; 2 of them beyond the target." in text


def test_the_levels_in_the_table_add_up_however_many_there_are(run: Path) -> None:
    rows = [{"id": f"s{n}", "level": f"level {n % 50}", "problem": "p", "pass_rate": 0.5} for n in range(130)]
    report = gather(with_rows(run, rows))
    assert len(report.levels) == 40
    assert report.other_levels is not None
    assert sum(one.problems for one in (*report.levels, report.other_levels)) == report.problems == 130
    text = words(report_html(report))
    assert "10 more levels 20" in text
    assert "and 45 more levels" in text


def test_when_the_last_file_is_gone_other_rows_are_not_taken_for_the_set(run: Path) -> None:
    for name in ("set", "label", "label.dropped"):
        (run / f"{name}.jsonl").unlink()
    report = gather(run)
    assert (report.state, report.problems, report.levels) == ("incomplete", 2, [])
    assert [one.history.id for one in report.chosen if one.history.fate.kind == "in the set"] == []
    assert "label.jsonl" in words(report_html(report))


def test_combinations_and_ratings_are_not_problems(run: Path) -> None:
    for path in run.glob("*.json*"):
        if not path.name.startswith(("sample", "judge", "recipe")):
            path.unlink()
    report = gather(run)
    assert report.problems == 0
    assert "The recipe small has made no problem yet." in words(report_html(report))


def test_a_run_without_a_set_says_after_which_step_its_problems_are_counted(run: Path) -> None:
    for name in ("summary.json", "set.jsonl", "label.jsonl", "label.dropped.jsonl", "solve.jsonl"):
        (run / name).unlink()
    text = words(page(run))
    assert "has made 3 problems so far, counted after the step dedup: 3 of level AIME." in text
    assert "problems so far 3" in text


def test_what_a_reviewer_rejected_is_not_shown_as_accepted(run: Path) -> None:
    reject(run, "r0")
    report = gather(run)
    (shown,) = (one for one in report.chosen if one.history.id == "r0")
    assert shown.why == "Rejected by a reviewer."
    html = report_html(report)
    assert "1 problem counted here was rejected by reviewers." in words(html)
    assert "Rejected in a review by Ada: two &lt;b&gt;readings&lt;/b&gt;" in html


def test_an_id_that_comes_twice_is_said_to_be_counted_twice(run: Path) -> None:
    row = {"id": "r0", "level": "AIME", "problem": "p"}
    text = words(page(with_rows(run, [row, {"id": "r1"}, row])))
    assert "1 row of the set has an id that is already taken" in text


@pytest.mark.parametrize(("rate", "why"), [(1.0, "Easy"), (0.9, "Among the hardest"), (0.5, "Among the hardest")])
def test_no_problem_is_called_what_it_is_not(run: Path, rate: float, why: str) -> None:
    rows = [{"id": f"s{n}", "problem": "p", "pass_rate": rate} for n in range(9)]
    chosen = [one.why for one in gather(with_rows(run, rows)).chosen if one.history.id.startswith("s")]
    assert any(words.startswith(why) for words in chosen)
    assert any("about half" in words for words in chosen) == (rate == 0.5)


def test_rows_without_an_id_are_counted_and_not_shown(run: Path) -> None:
    write(run / "filter.dropped.jsonl", [{"reason": "bad"}, {"id": None, "reason": {"a": 1}}])
    report = gather(with_rows(run, [{"problem": "p"}, {"id": None, "problem": "p"}]))
    assert report.problems == 2
    assert "None" not in {one.history.id for one in report.chosen}


WRONG: list[Any] = [None, -1, 10**400, "x", [None, "a"], {"a": {"b": [1]}}]
"""Values of another type or size than any field of a summary has."""


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "keys",
    [
        ["stages"],
        ["stages", "sample"],
        ["stages", "filter", "dropped"],
        ["stages", "filter", "dropped", "bad"],
        ["stages", "generate", "models"],
        ["stages", "generate", "models", "m", "calls"],
        ["stages", "generate", "cost"],
        ["stages", "generate", "seconds"],
        ["stages", "judge-a", "out"],
        ["agreement"],
        *(["agreement", 0, key] for key in ("judges", "n", "share", "interval", "kappa")),
        *(["contamination", key] for key in ("against", "found", "not_at_hand")),
        *(["copies", key] for key in ("rules", "alike_but_for_numbers")),
        ["validity_by_agreement"],
        ["measure"],
        *(["measure", key] for key in ("validity", "yield", "spent", "concepts", "near_copies")),
        *(["measure", "near_copies", key] for key in ("n", "among", "thresholds")),
        ["made"],
        ["made", "versions"],
    ],
    ids=lambda keys: ".".join(map(str, keys)),
)
def test_a_field_of_a_wrong_type_counts_as_missing(run: Path, keys: list[str | int], wrong: Any) -> None:
    def change(summary: dict[str, Any]) -> None:
        summary.update(
            agreement=[{"judges": ["a", "b"], "n": 5, "share": 0.8, "interval": [0.3, 1.0], "kappa": 0.1}],
            contamination={"against": {"aime": 5}, "found": {"aime": 1}, "not_at_hand": {}},
            copies={"rules": {"edit": 1}, "alike_but_for_numbers": 1},
            measure={"near_copies": {"n": 2, "among": 2, "thresholds": [{"least": 0.5, "count": 1}]}},
            made={"versions": {"python": "3"}},
        )
        inner: Any = summary
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = wrong

    assert "<h1>small</h1>" in page(changed(run, change))


def test_a_page_stays_small_whatever_names_and_criteria_a_run_has(tmp_path: Path) -> None:
    many = {f"criterion {n}": "perfect" for n in range(3_000)}
    run = make(
        tmp_path / "run",
        level="L" * 500_000,
        foundational_concepts=["c" * 500_000, *map(str, range(3_000))],
        ratings=many,
        validity={"verdict": "v" * 100_000, "votes": many, "criteria": many},
    )
    assert len(page(run)) < 1_000_000


def test_damaged_lines_are_counted_and_passed_over(run: Path) -> None:
    with (run / "set.jsonl").open("ab") as file:
        file.write(b"{torn\n[1]\n" + b"[" * 5_000 + b"\n")
    report = gather(run)
    assert (report.problems, report.damaged) == (2, 3)


@pytest.mark.parametrize(
    "planted",
    [
        {"foundational_concepts": [HOSTILE, 5, None], "level": HOSTILE},
        {"foundational_concepts": "text", "level": ["a"]},
        {"id": HOSTILE},
        {"ratings": [1], "judgements": [2]},
        {"contamination": {"benchmark": HOSTILE, "problem": HOSTILE, "rule": 5}, "copy_of": HOSTILE},
        {"validity": {"verdict": HOSTILE, "votes": {"<b>": 1}}, "findings": HOSTILE},
        {"answer": HOSTILE, "reason": HOSTILE},
        {"n": "many", "pass_rate": "high", "agreement": -3},
    ],
)
def test_nothing_planted_in_a_run_becomes_markup(tmp_path: Path, planted: dict[str, object]) -> None:
    html = page(make(tmp_path / "run", HOSTILE, **planted))
    assert not re.search(r"<(script|img|iframe|link|base|a href=.javascript|svg onload)", html)
    assert not re.search(r"<[a-z][^<>]*\son\w+\s*=", html)
    assert html.count("</style>") == 1
    assert "{{ 7*7 }}" in html
    assert "\u202e" not in html
    assert "\u0000" not in html


def test_long_texts_are_cut_with_a_line_that_says_where_the_whole_is(tmp_path: Path) -> None:
    run = make(tmp_path / "run", "words and $x$ " * 5_000)
    html = page(run)
    assert "The whole text is shown by: promptcot show" in html
    assert len(html) < 4_000_000


def test_a_report_does_not_depend_on_the_order_of_rows(run: Path) -> None:
    before = page(run)
    for path in run.glob("*.jsonl"):
        path.write_bytes(b"".join(reversed(path.read_bytes().splitlines(keepends=True))))
    assert [one.history.id for one in gather(run).chosen] == re.findall(r"<code>(r\d)</code></h3>", before)[-6:]


def test_the_report_at_the_end_of_a_run_never_breaks_it(run: Path) -> None:
    (run / "report.html").mkdir()
    assert str(report_at_end(run)).startswith("no report was written: ")
    assert str(report_at_end(run / "nowhere")).startswith("no report was written: ")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no files of a run"):
        write_report(tmp_path)


def test_two_runs_stand_side_by_side_with_what_their_recipes_differ_in(run: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other", "Another one.")
    write(other / "set.jsonl", [])
    text = words(comparison_html(run, other))
    assert "run and other" in text
    assert "A has 2 problems, B has 0 problems" in text
    assert "pass rate" in text
    assert "built-in method" not in text


def test_recipes_are_compared_value_by_value() -> None:
    one = {"seed": 1, "judge": [{"name": "a", "model": "x"}], "generate": {"n": 1}}
    other = {"seed": 2, "judge": [{"name": "a", "model": "y"}], "generate": {"n": 1, "m": None}}
    assert [tuple(change) for change in changes(one, other)] == [
        ("seed", "1", "2"),
        ("judge.a.model", "x", "y"),
    ]


def test_the_verb_writes_beside_the_run_or_where_it_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").is_file()
    assert main(["report", str(run), "--output", str(tmp_path / "page.html")]) == 0
    assert main(["report", str(run), str(run)]) == 0
    assert (run / "comparison.html").is_file()
    assert "page.html" in capsys.readouterr().out
    assert main(["report", str(run), str(run), str(run)]) == 2
    assert main(["report", str(run), "--output", str(run / "set.jsonl")]) == 2
