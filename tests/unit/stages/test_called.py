"""When replies count as parsed, for any stage; and what a stage may record about its rows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import pytest

from promptcot.errors import StageFault
from promptcot.records import Completion, Drop, Request, Retry, Row
from promptcot.stages import called


class Quiet:
    """A custom stage that records nothing about its rows."""

    name = "own"

    def ask(self, row: Row) -> Sequence[Request]:
        return ()

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row]:
        return [row]


class Telling(Quiet):
    """A stage that records the content of the row."""

    def unusable(self, row: Row) -> Any:
        return row["why"]


RESULTS: list[tuple[str, Quiet, Any, str | None]] = [
    ("rows", Quiet(), [{"why": "cut off"}], None),
    ("no rows", Telling(), [], None),
    ("a row that is said to be of no use", Telling(), [{"why": "cut off"}], "cut off"),
    ("some rows of use", Telling(), [{"why": "cut off"}, {"why": None}], None),
    ("left out by decision", Quiet(), Drop("not original"), None),
    ("left out with its raw text", Quiet(), Drop("no title", ["?"]), "no title"),
    ("left out as unreadable", Quiet(), Drop("unreadable: no list"), "no list"),
    ("left out as empty", Quiet(), Drop("empty"), "empty"),
    ("asked again, and then left out", Quiet(), Retry("odd", Drop("gave up")), "gave up"),
    ("asked again, and then kept", Quiet(), Retry("malformed", [{}]), None),
    ("asked again, and then kept as cut off", Telling(), Retry("malformed", [{"why": "cut off"}]), "cut off"),
]


@pytest.mark.parametrize(("stage", "result", "fault"), [one[1:] for one in RESULTS], ids=[one[0] for one in RESULTS])
def test_whether_something_of_the_replies_can_be_used(stage: Quiet, result: Any, fault: str | None) -> None:
    assert called.fault(stage, result) == fault


@pytest.mark.parametrize("row", [{"why": 3}, {}], ids=["returns a number", "raises"])
def test_a_stage_that_cannot_tell_is_named(row: Row) -> None:
    with pytest.raises(StageFault, match="own: `unusable` failed"):
        called.unusable(Telling(), row)


class Detailed(Quiet):
    """Drops each row, with its content as details."""

    def apply(self, row: Row) -> Drop:
        return Drop("copy", details=row["details"])

    def finish(self) -> Sequence[Row]:
        return ()


@pytest.mark.parametrize("details", [{"copy_of": object()}, ["copy_of"]], ids=["no JSON", "no mapping"])
def test_details_of_a_drop_that_no_file_can_hold_are_a_mistake_of_the_step(details: Any) -> None:
    assert called.apply(Detailed(), {"details": {"copy_of": "x"}}) == Drop("copy", details={"copy_of": "x"})
    with pytest.raises(StageFault, match="`apply` failed"):
        called.apply(Detailed(), {"details": details})


class Leaving:
    """Ends the process wherever it is called, as a script does that parses arguments of its own."""

    name = "leaving"

    def leave(self, *_: Any) -> Any:
        sys.exit(9)

    ask = read = apply = finish = summary = unusable = leave


@pytest.mark.parametrize("function", ["ask", "read", "apply", "finish", "summary", "unusable"])
def test_what_ends_the_process_is_a_mistake_of_the_stage(function: str) -> None:
    rows: dict[str, tuple[Any, ...]] = {"read": ({}, []), "finish": (), "summary": ()}
    with pytest.raises(StageFault, match=f"`{function}` failed: raised SystemExit: 9"):
        list(getattr(called, function)(Leaving(), *rows.get(function, ({},))))
