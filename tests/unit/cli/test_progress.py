"""What progress says without a terminal: the forecast once after enough rows, then with each line."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from promptcot.cli.report import progress
from promptcot.cli.report.progress import Progress
from promptcot.core.statistics.forecast import Standing
from promptcot.storage.budget import Paid
from promptcot.storage.counts import StageCounts


def stage(name: str, rows: int, calls: int, cost: float = 0.0) -> StageCounts:
    counts = StageCounts(name, rows_in=rows, rows_out=rows, rows_answered=calls, calls=calls)
    counts.paid = {"m": Paid(calls, 10, 10, cost)} if cost else {}
    return counts


def shown(counts: StageCounts, total: int | None, standing: Standing | None = None) -> str:
    out = io.StringIO()
    console = Console(file=out, width=300)
    stands = None if standing is None else lambda: standing
    with Progress({counts.name: counts}, total=total, console=console, standing=stands) as table:
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
    assert lines[-1].endswith("rows in progress: 10 in generate")


def test_the_forecast_is_said_once_for_the_log() -> None:
    text = shown(stage("generate", 50, 50, 25.0), total=1000)
    assert text.count("forecast after 50 rows: in the end about 1,000 calls, cost about 500.00") == 1


def test_no_forecast_before_enough_rows_and_no_cost_without_a_price() -> None:
    assert "in the end" not in shown(stage("generate", 19, 19, 1.0), total=1000)
    text = shown(stage("generate", 50, 50), total=1000)
    assert "in the end about 1,000 calls" in text
    assert "cost" not in text


def test_a_target_is_shown_with_its_interval() -> None:
    standing = Standing(None, 20, 180, 60, 7, 400, 3.0, spent=4.0, row_cost=0.03)
    text = shown(stage("filter", 60, 0), None, standing)
    assert "accepted 7/20" in text
    assert "in the end about 531 calls (400 to 909), cost about 5.31 (4.00 to 9.09)" in text


def test_where_nothing_says_when_it_ends_there_is_no_forecast() -> None:
    assert "in the end" not in shown(stage("sample", 500, 0), total=None)
