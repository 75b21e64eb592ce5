"""The estimate: said once, after enough rows, and not misled by calls that run ahead or were paid before."""

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console

from promptcot.cli.report import progress
from promptcot.cli.report.progress import Progress
from promptcot.storage.budget import Paid
from promptcot.storage.counts import StageCounts


def stage(name: str, rows_in: int, rows_out: int, calls: int, cost: float) -> StageCounts:
    counts = StageCounts(name, rows_in=rows_in, rows_out=rows_out)
    counts.paid = {"m": Paid(calls, 10, 10, cost)} if calls else {}
    return counts


def shown(*stage_counts: StageCounts, total: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=200)
    with Progress({counts.name: counts for counts in stage_counts}, total=total, console=console) as table:
        while "rows/s" not in out.getvalue():
            table._done.wait(0.01)
        table._done.wait(0.1)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_EVERY", 0.02)
    monkeypatch.setattr(progress, "_LOOK_EVERY", 0.01)


def printed(counts: StageCounts, last: str, change: Callable[[], None] = lambda: None) -> list[str]:
    """What is printed without a terminal until a line begins with `last`; `change` is made after the first line."""
    out = io.StringIO()
    with Progress({counts.name: counts}, total=100, console=Console(file=out, width=200)) as table:
        while not out.getvalue():
            table._done.wait(0.01)
        table._done.wait(0.1)
        change()
        while not any(line.startswith(last) for line in out.getvalue().splitlines()):
            table._done.wait(0.01)
    return out.getvalue().splitlines()


def test_without_a_terminal_a_line_is_printed_when_something_has_changed_and_not_before() -> None:
    counts = StageCounts("generate", rows_in=10)

    def answer() -> None:
        counts.calls, counts.rows_out = 1, 1

    lines = printed(counts, "generate: 1/10 rows", answer)
    told = [line.partition(",")[0] for line in lines if line.startswith("generate: ")]
    assert list(dict.fromkeys(told)) == ["generate: 0/10 rows", "generate: 1/10 rows"]
    assert told.count("generate: 0/10 rows") == 1


def test_what_waits_for_its_first_row_says_so() -> None:
    assert printed(StageCounts("sample"), "waiting") == ["waiting for the first row"]


def test_after_minutes_without_news_it_says_that_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SILENT_AT_MOST", 0.05)
    lines = printed(StageCounts("generate", rows_in=10), "nothing new")
    assert lines[0].startswith("generate: 0/10 rows")
    assert lines[-1].startswith("nothing new for ")
    assert lines[-1].endswith("rows under way: 10 in generate")


def estimate(text: str) -> float | None:
    found = re.findall(r"estimate after .*cost ([\d,.]+) \(so far", text)
    assert len(found) <= 1
    return float(found[0].replace(",", "")) if found else None


def test_calls_that_run_ahead_of_the_rows_do_not_raise_the_estimate() -> None:
    generate, judge = stage("generate", 600, 512, 512, 512.0), stage("judge", 100, 40, 90, 45.0)
    assert estimate(shown(generate, judge, total=1000)) == pytest.approx(1000 * 1.0 + 1000 * 0.5)


def test_what_earlier_runs_paid_does_not_raise_it_either() -> None:
    generate, judge = stage("generate", 600, 40, 900, 900.0), stage("judge", 40, 30, 900, 450.0)
    assert estimate(shown(generate, judge, total=1000)) == pytest.approx(1500.0)


def test_it_is_never_less_than_what_is_spent() -> None:
    assert estimate(shown(stage("generate", 40, 30, 900, 900.0), total=100)) == pytest.approx(900.0)


def test_no_estimate_before_enough_rows_and_no_cost_without_a_price() -> None:
    assert "estimate" not in shown(stage("generate", 19, 19, 19, 1.0), total=1000)
    text = shown(stage("generate", 50, 50, 0, 0.0), total=1000)
    assert "estimate after 50 rows" in text
    assert "cost" not in text
