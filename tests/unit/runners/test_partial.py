"""Rows for which some calls fail: a `partial` stage reads the other replies."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from promptcot.engines.scripted import Script, ScriptedEngine
from promptcot.errors import EngineUnusable, PromptCoTError, RequestRefused, SystematicFailure, TransientError
from promptcot.pipeline.replay import Said
from promptcot.recipe.schema import Price
from promptcot.records import (
    CONTENT_FILTER,
    UNANSWERED,
    Completion,
    Failed,
    Item,
    Outcome,
    Request,
    Row,
    Sampling,
    derive_seed,
)
from promptcot.runners.local import LocalRunner
from promptcot.runners.retries import Retries
from promptcot.storage.budget import Budget, BudgetReached
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal

REFUSED, AWAY = RequestRefused("too long", "over-long"), TransientError("reset", "reset")


class Several:
    """Makes three calls per row, and keeps the replies."""

    name = "several"

    def __init__(self, *, partial: bool = True) -> None:
        self.partial = partial
        self.seen: list[list[str]] = []

    def ask(self, row: Row) -> Sequence[Request]:
        return [
            Request(
                prompt=row["id"], sampling=Sampling(max_tokens=8), seed=derive_seed(row["id"], sample), sample=sample
            )
            for sample in range(3)
        ]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row]:
        self.seen.append([reply.finish_reason for reply in replies])
        return [{**row, "said": [reply.text for reply in replies if reply.finish_reason != UNANSWERED]}]


async def run(
    folder: Path, script: Script, names: Sequence[str] = ("a",), *, partial: bool = True, **how: object
) -> tuple[list[Outcome], StageCounts, Several]:
    counts, stage = StageCounts("several"), Several(partial=partial)
    if price := how.pop("price", None):
        counts.price = price  # type: ignore[assignment]

    async def items() -> AsyncIterator[Item]:
        for index, name in enumerate(names):
            yield Item(index, {"id": name})

    runner = LocalRunner(8, Retries(tries=2, base=0.001), **how)  # type: ignore[arg-type]
    with Journal(folder / "j") as journal:
        outcomes = [one async for one in runner.run(stage, items(), ScriptedEngine(script), journal, counts)]
    return outcomes, counts, stage


def answering(answers: Sequence[str | Completion | Exception]) -> Script:
    """A script by the number of the sample."""
    return lambda request: answers[request.sample]


FATES: list[tuple[str, list[str | Completion | Exception], bool, object, dict[str, int]]] = [
    ("all answered", ["x", "y", "z"], True, ["x", "y", "z"], {}),
    ("one refused", ["x", REFUSED, "z"], True, ["x", "z"], {"over-long": 1}),
    ("the first refused", [REFUSED, "y", "z"], True, ["y", "z"], {"over-long": 1}),
    ("one never answered", ["x", "y", AWAY], True, ["x", "y"], {"reset": 1}),
    ("two of two causes", [REFUSED, "y", AWAY], True, ["y"], {"over-long": 1, "reset": 1}),
    ("content refused", [Completion("no", CONTENT_FILTER), "y", "z"], True, ["y", "z"], {"content-refused": 1}),
    ("an empty reply is one", ["", REFUSED, AWAY], True, [""], {"over-long": 1, "reset": 1}),
    ("none answered", [REFUSED, AWAY, REFUSED], True, Failed("over-long", "too long"), {}),
    ("not partial", ["x", REFUSED, "z"], False, Failed("over-long", "too long"), {}),
]


@pytest.mark.parametrize(
    ("answers", "partial", "expected", "unanswered"), [fate[1:] for fate in FATES], ids=[fate[0] for fate in FATES]
)
async def test_a_row_is_lost_only_where_none_of_its_calls_is_answered(
    tmp_path: Path,
    answers: Sequence[str | Completion | Exception],
    partial: bool,
    expected: object,
    unanswered: dict[str, int],
) -> None:
    [outcome], counts, _ = await run(tmp_path, answering(answers), partial=partial)
    assert outcome.result == (expected if isinstance(expected, Failed) else [{"id": "a", "said": expected}])
    assert counts.unanswered == unanswered
    assert counts.summary().get("unanswered", {}) == unanswered
    assert StageCounts.of_summary("several", counts.summary()).unanswered == counts.unanswered


async def test_replies_keep_their_places(tmp_path: Path) -> None:
    _, _, stage = await run(tmp_path, answering(["x", REFUSED, "z"]))
    assert stage.seen == [["stop", UNANSWERED, "stop"]]


async def test_what_failed_is_asked_again_on_a_rerun_and_nothing_else(tmp_path: Path) -> None:
    [first], _, _ = await run(tmp_path, answering(["x", AWAY, Completion("no", CONTENT_FILTER)]))
    assert first.result == [{"id": "a", "said": ["x"]}]
    [second], counts, _ = await run(tmp_path, answering(["asked", "y", "asked"]))
    assert second.result == [{"id": "a", "said": ["x", "y"]}]
    assert (counts.calls, counts.unanswered) == (1, {"content-refused": 1})


STOPS: list[tuple[str, Exception, type[Exception]]] = [
    ("wrong key", EngineUnusable("401", "auth"), EngineUnusable),
    ("a bug", ZeroDivisionError(), ZeroDivisionError),
    ("of the tree", SystematicFailure("the server is gone"), SystematicFailure),
]


@pytest.mark.parametrize("partial", [True, False])
@pytest.mark.parametrize(("fault", "expected"), [stop[1:] for stop in STOPS], ids=[stop[0] for stop in STOPS])
async def test_what_stops_a_run_stops_it_though_other_calls_were_answered_or_refused(
    tmp_path: Path, fault: Exception, expected: type[Exception], partial: bool
) -> None:
    with pytest.raises(expected):
        await run(tmp_path, answering(["x", REFUSED, fault]), partial=partial)


async def test_a_cap_on_cost_stops_in_the_middle_of_a_row_and_nothing_is_paid_twice(tmp_path: Path) -> None:
    """A row's last call has no money left: it is not taken for one that failed."""
    price = Price(prompt=0.0, completion=1_000_000.0)  # 1 a call, and at most 8
    with pytest.raises(BudgetReached):
        await run(tmp_path, answering(["x"] * 3), budget=Budget(9.0), price=price)
    [outcome], counts, _ = await run(tmp_path, answering(["y"] * 3), budget=Budget(40.0), price=price)
    assert (counts.calls, counts.reused) == (1, 2)
    assert outcome.result == [{"id": "a", "said": ["x", "x", "y"]}]


async def test_many_calls_that_fail_stop_the_stage_though_no_row_is_lost(tmp_path: Path) -> None:
    names = [f"row {number}" for number in range(400)]
    with pytest.raises(SystematicFailure, match="of the last 200 replies failed"):
        await run(tmp_path, answering(["x", AWAY, AWAY]), names)


async def test_refused_calls_do_not_stop_a_stage_of_which_each_row_is_answered(tmp_path: Path) -> None:
    names = [f"row {number}" for number in range(100)]
    outcomes, counts, _ = await run(tmp_path, answering([REFUSED, REFUSED, "z"]), names)
    assert [outcome.result for outcome in outcomes] == [[{"id": name, "said": ["z"]}] for name in names]
    assert counts.unanswered == {"over-long": 200}


async def test_a_run_that_is_stopped_in_the_middle_of_a_row_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    def script(request: Request) -> str | Exception:
        return REFUSED if (len(request.prompt) + request.sample) % 3 == 0 else f"{request.prompt}-{request.sample}"

    names = ["a", "bb", "ccc", "dddd"]
    undisturbed, _, _ = await run(tmp_path / "whole", script, names)
    for stopped_at in range(1, 9):
        answered = 0

        def interrupted(request: Request, last: int = stopped_at) -> str | Exception:
            nonlocal answered
            answered += 1
            return EngineUnusable("gone", "gone") if answered > last else script(request)

        folder = tmp_path / str(stopped_at)
        with pytest.raises(PromptCoTError):
            await run(folder, interrupted, names)
        again, counts, _ = await run(folder, script, names)
        assert again == undisturbed
        assert counts.calls + counts.reused == 8
        await asyncio.sleep(0)


@pytest.mark.parametrize("partial", [True, False])
async def test_joined_shards_read_a_row_again_of_which_some_calls_failed(tmp_path: Path, partial: bool) -> None:
    """A stage behind a step of one's own: what its shards were told is read from the journal."""
    _, counts, stage = await run(tmp_path, answering(["x", REFUSED, "z"]), partial=partial)
    said = Said(stage, "scripted", [], counts, behind=True)
    with Journal(tmp_path / "j") as journal:
        result = said.result(Item(0, {"id": "a"}), journal)
    if partial:
        assert result == [{"id": "a", "said": ["x", "z"]}]
    else:
        assert isinstance(result, Failed)
