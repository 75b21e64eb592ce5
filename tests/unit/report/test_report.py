from __future__ import annotations

import re
from pathlib import Path

import pytest

from promptcot.cli import main
from promptcot.errors import InputError
from promptcot.report.choosing import PROBLEMS
from promptcot.report.comparison import changes, comparison_html
from promptcot.report.gathering import gather
from promptcot.report.page import report_html
from promptcot.report.writing import report_at_end, write_report
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
    assert "judges a and b agree on 80% of the 5 problems that they rated" in text.lower()
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
    assert "a section [verify] in the recipe adds it" in text
    assert "a section [decontaminate] in the recipe adds that" in text
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
    assert "This run has not ended" in words(report_html(report))


def test_what_is_gone_of_a_run_is_named(run: Path) -> None:
    (run / "recipe.json").unlink()
    (run / "judge-b.jsonl").unlink()
    text = words(page(run))
    assert "The run directory has no recipe.json and judge-b.jsonl" in text


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
