"""The local runner: order, conservation, retries, and stopping."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from promptcot.engines.scripted import Script, ScriptedEngine
from promptcot.errors import EngineUnusable, InputError, RequestRefused, SystematicFailure, TransientError, UnfitRow
from promptcot.records import Completion, Drop, Failed, Item, Outcome, Request, Retry, Row, derive_seed
from promptcot.runners.local import LocalRunner
from promptcot.runners.retries import Retries
from promptcot.storage.checked import body, sealed
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal

FAST = Retries(tries=3, base=0.001)


class Echo:
    """Drops replies that start with "drop", retries those that start with "again"."""

    name = "echo"

    def ask(self, row: Row) -> Sequence[Request]:
        if "query" in row:
            raise UnfitRow(f"row {row['id']}: it has `query`")
        if "prompt" not in row:
            raise InputError(f"row {row['id']}: no prompt")
        return [Request(prompt=row["prompt"], seed=derive_seed(0, row["id"]))]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        text = replies[0].text
        if text.startswith("again"):
            return Retry("malformed", otherwise=Drop("unreadable", [text]))
        return Drop("unreadable", [text]) if text.startswith("drop") else [{**row, "completion": text}]


async def stream(rows: Sequence[Row]) -> AsyncIterator[Item]:
    for index, row in enumerate(rows):
        yield Item(index, row)


def rows(*prompts: str) -> list[Row]:
    return [{"id": str(number), "prompt": prompt} for number, prompt in enumerate(prompts)]


async def run(
    folder: Path, script: Script, given: Sequence[Row], runner: LocalRunner | None = None, **options: object
) -> tuple[list[Outcome], StageCounts, ScriptedEngine]:
    counts = StageCounts("echo")
    engine = ScriptedEngine(script, **options)  # type: ignore[arg-type]
    with Journal(folder / "j") as journal:
        passage = (runner or LocalRunner(8, FAST)).run(Echo(), stream(given), engine, journal, counts)
        return [outcome async for outcome in passage], counts, engine


def reply(request: Request) -> str:
    return request.prompt


async def test_outcomes_keep_the_order_whatever_finishes_first(tmp_path: Path) -> None:
    given = rows(*(f"p{n}" for n in range(200)))
    delays = random.Random(1)
    outcomes, counts, _ = await run(tmp_path, reply, given, latency=lambda _: delays.random() / 100)
    assert [outcome.item.row for outcome in outcomes] == given
    assert counts.rows_in == counts.calls == 200


async def test_no_more_calls_at_a_time_than_allowed(tmp_path: Path) -> None:
    busy = most = 0

    class Counting(ScriptedEngine):
        async def complete(self, request: Request) -> Completion:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.001)
            busy -= 1
            return Completion("x")

    with Journal(tmp_path) as journal:
        passage = LocalRunner(5).run(
            Echo(), stream(rows(*"abcdefghijkl")), Counting(reply), journal, StageCounts("echo")
        )
        assert len([outcome async for outcome in passage]) == 12
    assert most == 5


async def test_memory_is_bounded_while_the_first_row_is_slow(tmp_path: Path) -> None:
    pulled = 0

    async def endless() -> AsyncIterator[Item]:
        nonlocal pulled
        while True:
            pulled += 1
            yield Item(pulled, {"id": str(pulled), "prompt": "slow" if pulled == 1 else "quick"})

    engine = ScriptedEngine(reply, latency=lambda request: 0.5 if request.prompt == "slow" else 0)
    with Journal(tmp_path) as journal:
        passage = LocalRunner(4).run(Echo(), endless(), engine, journal, StageCounts("echo"))
        await anext(passage)
        assert pulled < 1000
        await passage.aclose()  # type: ignore[attr-defined]


FATES: list[tuple[str, Callable[[Request], object], object]] = [
    ("read", lambda r: "text", "rows"),
    ("dropped", lambda r: "drop it", Drop("unreadable", ["drop it"])),
    ("refused", lambda r: RequestRefused("too long", "over-long"), Failed("over-long", "too long")),
    ("never answers", lambda r: TransientError("reset", "reset"), Failed("reset", "reset")),
]


@pytest.mark.parametrize(("script", "expected"), [fate[1:] for fate in FATES], ids=[fate[0] for fate in FATES])
async def test_each_row_has_one_fate(tmp_path: Path, script: Script, expected: object) -> None:
    outcomes, counts, _ = await run(tmp_path, script, rows("a"))
    [result] = [outcome.result for outcome in outcomes]
    assert result == ([{"id": "0", "prompt": "a", "completion": "text"}] if expected == "rows" else expected)
    assert counts.rows_in == 1


async def test_a_failed_row_takes_no_other_with_it(tmp_path: Path) -> None:
    def script(request: Request) -> str | Exception:
        return RequestRefused("no", "refused") if request.prompt == "bad" else "fine"

    outcomes, _, _ = await run(tmp_path, script, rows("a", "bad", "c"))
    assert [isinstance(outcome.result, Failed) for outcome in outcomes] == [False, True, False]


async def test_transient_faults_are_asked_again_and_counted_by_cause(tmp_path: Path) -> None:
    faults = iter([TransientError("busy", "429"), TransientError("reset", "reset"), "fine"])
    outcomes, counts, _ = await run(tmp_path, lambda _: next(faults), rows("a"))
    assert outcomes[0].result == [{"id": "0", "prompt": "a", "completion": "fine"}]
    assert dict(counts.asked_again) == {"429": 1, "reset": 1}


async def test_calls_that_are_turned_away_use_up_no_try_while_others_get_through(tmp_path: Path) -> None:
    """The first row is turned away more often than there are tries, each time after another one was answered."""
    times = 3 * FAST.tries
    away, turns = 0, asyncio.Semaphore(0)
    counts = StageCounts("echo")

    class Busy(ScriptedEngine):
        async def complete(self, request: Request) -> Completion:
            nonlocal away
            if request.prompt != "first" or away == times:
                await turns.acquire()
                return Completion("fine")
            away += 1
            before = counts.calls
            turns.release()
            while counts.calls == before:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            if away == times:
                turns.release()
            raise TransientError("too many", "http 429")

    given = rows("first", *(f"row {number}" for number in range(times)))
    with Journal(tmp_path / "j") as journal:
        passage = LocalRunner(64, Retries(FAST.tries, base=0.0)).run(
            Echo(), stream(given), Busy(reply), journal, counts
        )
        async with asyncio.timeout(20):
            outcomes = [outcome async for outcome in passage]
    assert not any(isinstance(outcome.result, Failed) for outcome in outcomes)
    assert counts.asked_again == {"http 429": times}


async def test_calls_that_are_turned_away_use_up_their_tries_when_nothing_gets_through(tmp_path: Path) -> None:
    outcomes, _, _ = await run(tmp_path, lambda _: TransientError("too many", "http 429"), rows("a"))
    assert isinstance(outcomes[0].result, Failed)
    assert outcomes[0].result.cause == "http 429"


def test_a_row_that_is_turned_away_for_ever_waits_no_longer_than_the_longest_pause() -> None:
    delay = Retries().delay(5000, TransientError("too many", "http 429"), 1, free=4995)
    assert delay is not None
    assert delay <= 60


async def test_a_waiting_retry_holds_no_slot(tmp_path: Path) -> None:
    faults = iter([TransientError("busy", "429", retry_after=0.3)])
    order: list[str] = []

    def script(request: Request) -> str | Exception:
        fault = next(faults, None)
        if fault is not None:
            return fault
        order.append(request.prompt)
        return "fine"

    await run(tmp_path, script, rows("first", "second"), LocalRunner(1, FAST))
    assert order == ["second", "first"]


async def test_a_retry_has_another_seed_and_the_last_reply_stands(tmp_path: Path) -> None:
    seeds: list[tuple[int, int]] = []

    def script(request: Request) -> str:
        seeds.append((request.attempt, request.seed))
        return "again please"

    outcomes, counts, _ = await run(tmp_path, script, rows("a"), LocalRunner(1, FAST, max_retries=2))
    assert [attempt for attempt, _ in seeds] == [0, 1, 2]
    assert len({seed for _, seed in seeds}) == 3
    assert outcomes[0].result == Drop("unreadable", ["again please"])
    assert counts.asked_again["malformed"] == 2


async def test_finished_calls_are_not_repeated(tmp_path: Path) -> None:
    given = rows(*"abcdef")
    first, _, _ = await run(tmp_path, reply, given)
    second, counts, engine = await run(tmp_path, reply, given)
    assert [outcome.result for outcome in first] == [outcome.result for outcome in second]
    assert (engine.asked, counts.calls, counts.reused) == (0, 0, 6)


STOPS: list[tuple[str, Exception, type[Exception]]] = [
    ("wrong key", EngineUnusable("401", "auth"), EngineUnusable),
    ("a bug", ZeroDivisionError(), ZeroDivisionError),
]


@pytest.mark.parametrize(("fault", "expected"), [stop[1:] for stop in STOPS], ids=[stop[0] for stop in STOPS])
async def test_what_is_not_one_rows_fault_stops_at_once(
    tmp_path: Path, fault: Exception, expected: type[Exception]
) -> None:
    engine_calls = 0

    def script(request: Request) -> str | Exception:
        nonlocal engine_calls
        engine_calls += 1
        return fault if request.prompt == "b" else "fine"

    with pytest.raises(expected):
        await run(tmp_path, script, rows(*("a" * 1), "b", *("c" * 300)), LocalRunner(2, FAST), latency=lambda _: 0.001)
    assert engine_calls < 20


async def test_a_row_without_the_needed_field_stops_the_stage(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 1: no prompt"):
        await run(tmp_path, reply, [*rows("a"), {"id": "1"}])


async def test_a_row_that_is_said_not_to_fit_fails_alone(tmp_path: Path) -> None:
    outcomes, counts, _ = await run(tmp_path, reply, [*rows("a"), {"id": "1", "query": "b"}, *rows("c")])
    assert outcomes[1].result == Failed("unfit", "row 1: it has `query`")
    assert (counts.rows_in, counts.calls) == (3, 2)


async def test_a_broken_input_stream_stops_the_stage(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[Item]:
        yield Item(0, rows("a")[0])
        raise InputError("line 2: not JSON")

    with Journal(tmp_path) as journal, pytest.raises(InputError, match="line 2"):
        async for _ in LocalRunner().run(Echo(), broken(), ScriptedEngine(reply), journal, StageCounts("echo")):
            pass


async def test_nothing_but_empty_replies_stops_early(tmp_path: Path) -> None:
    with pytest.raises(SystematicFailure, match="20 of the last 20 replies failed or were empty"):
        await run(tmp_path, lambda _: " \n", rows(*("a" * 500)))


async def test_mostly_failing_stops_early_and_some_failures_do_not(tmp_path: Path) -> None:
    def failing(share: int) -> Script:
        return lambda request: TransientError("no", "503") if int(request.prompt) % 10 < share else "fine"

    given = rows(*map(str, range(1000)))
    once = LocalRunner(8, Retries(tries=1))
    with pytest.raises(SystematicFailure):
        await run(tmp_path / "six", failing(6), given, once)
    outcomes, _, _ = await run(tmp_path / "four", failing(4), given, once)
    assert len(outcomes) == 1000


async def test_a_block_of_refused_rows_is_those_rows_own_fault(tmp_path: Path) -> None:
    def script(request: Request) -> str | Exception:
        return RequestRefused("long", "over-long") if int(request.prompt) >= 100 else "fine"

    outcomes, _, _ = await run(tmp_path, script, rows(*map(str, range(400))))
    assert sum(isinstance(outcome.result, Failed) for outcome in outcomes) == 300


async def test_going_on_with_only_refused_rows_left_is_no_systematic_failure(tmp_path: Path) -> None:
    def script(request: Request) -> str | Exception:
        return RequestRefused("no", "refused") if int(request.prompt) % 4 == 0 else "fine"

    for _ in range(2):
        outcomes, _, _ = await run(tmp_path, script, rows(*map(str, range(400))))
        assert len(outcomes) == 400


async def test_a_reply_that_arrives_while_we_are_stopped_is_kept(tmp_path: Path) -> None:
    answers: list[asyncio.Future[Completion]] = []

    class Manual(ScriptedEngine):
        async def complete(self, request: Request) -> Completion:
            answers.append(asyncio.get_running_loop().create_future())
            return await answers[-1]

    with Journal(tmp_path) as journal:
        counts = StageCounts("echo")
        passage = LocalRunner(4).run(Echo(), stream(rows("a", "b", "c")), Manual(reply), journal, counts)
        reading = asyncio.ensure_future(anext(passage))
        while len(answers) < 3:
            await asyncio.sleep(0)
        for answer in answers[1:]:
            answer.set_result(Completion("paid for"))
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await passage.aclose()  # type: ignore[attr-defined]
    assert counts.calls == 2


async def test_a_call_that_the_engine_cancels_does_not_hang_the_run(tmp_path: Path) -> None:
    class Cancelling(ScriptedEngine):
        async def complete(self, request: Request) -> Completion:
            raise asyncio.CancelledError

    with Journal(tmp_path) as journal, pytest.raises(EngineUnusable, match="cancelled"):
        async for _ in LocalRunner(4).run(Echo(), stream(rows("a")), Cancelling(reply), journal, StageCounts("echo")):
            pass


async def test_closing_cancels_what_is_in_flight(tmp_path: Path) -> None:
    cancelled = 0

    class Slow(ScriptedEngine):
        async def complete(self, request: Request) -> Completion:
            nonlocal cancelled
            try:
                await asyncio.sleep(0 if request.prompt == "a" else 60)
            except asyncio.CancelledError:
                cancelled += 1
                raise
            return Completion("x")

    with Journal(tmp_path) as journal:
        passage = LocalRunner(4).run(Echo(), stream(rows("a", "b", "c")), Slow(reply), journal, StageCounts("echo"))
        await anext(passage)
        await passage.aclose()  # type: ignore[attr-defined]
    assert cancelled == 2
    assert len(asyncio.all_tasks()) == 1


async def test_end_tokens_in_new_and_old_replies_are_taken_off_and_counted(tmp_path: Path) -> None:
    for calls in (3, 0):
        outcomes, counts, _ = await run(tmp_path, lambda request: f"{request.prompt}<|im_end|>", rows("a", "b", "c"))
        assert [outcome.result[0]["completion"] for outcome in outcomes] == ["a", "b", "c"]  # type: ignore[index]
        assert (counts.calls, counts.end_tokens, counts.summary()["end_tokens"]) == (calls, 3, 3)


async def test_an_interrupted_reply_in_a_journal_is_asked_for_again(tmp_path: Path) -> None:
    await run(tmp_path, reply, rows("a"))
    recorded = tmp_path / "j" / "calls.jsonl"
    recorded.write_bytes(sealed(body(recorded.read_bytes()).replace(b'"stop"', b'"abort"') + b"}\n"))
    _, counts, _ = await run(tmp_path, reply, rows("a"))
    assert (counts.calls, counts.reused, counts.asked_again) == (1, 0, {"interrupted": 1})
    assert "end_tokens" not in counts.summary()
