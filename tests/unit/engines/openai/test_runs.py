"""The HTTP engine under the runner: the effects of faults on a run, and their limits."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from promptcot.engines.protocol import Engine
from promptcot.errors import EngineUnusable
from promptcot.mock_server import MockOptions, MockServer
from promptcot.records import Completion, Drop, Failed, Item, Outcome, Request, Retry, Row, Sampling
from promptcot.runners.local import LocalRunner
from promptcot.runners.retries import Retries
from promptcot.storage.counts import StageCounts
from promptcot.storage.journal import Journal
from tests.unit.engines.http_servers import GOOD, SECRET, asking, plays, serving


class Ask:
    """Asks a row's prompt."""

    name = "ask"

    def ask(self, row: Row) -> Sequence[Request]:
        return [Request(prompt=row["prompt"], seed=row["seed"], sampling=Sampling(max_tokens=50))]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        return [{**row, "reply": replies[0].text}]


async def items(count: int) -> AsyncIterator[Item]:
    for number in range(count):
        yield Item(number, {"id": str(number), "prompt": f"prompt {number}", "seed": number})


async def run(engine: Engine, folder: Path, count: int, runner: LocalRunner) -> tuple[list[Outcome], StageCounts]:
    counts = StageCounts("ask")
    with Journal(folder) as journal:
        outcomes = [outcome async for outcome in runner.run(Ask(), items(count), engine, journal, counts)]
    return outcomes, counts


async def test_no_row_is_lost_or_doubled_whatever_the_server_does(tmp_path: Path) -> None:
    faults = MockOptions(
        models=("m",),
        rate_429=0.05,
        rate_500=0.03,
        rate_503=0.03,
        rate_reset=0.03,
        rate_truncated_json=0.03,
        rate_stall=0.01,
        retry_after=0.02,
    )
    async with MockServer(faults) as server, asking(server.url, idle_timeout=2) as engine:
        outcomes, counts = await run(engine, tmp_path, 300, LocalRunner(64, Retries(base=0.01)))
    assert [outcome.item.index for outcome in outcomes] == list(range(300))
    assert not any(isinstance(outcome.result, (Failed, Drop)) for outcome in outcomes)
    assert counts.calls == 300
    assert {"http 429", "http 500", "http 503", "connection", "broken-off"} <= set(counts.asked_again)


async def test_retry_after_is_waited_for_and_holds_no_slot(tmp_path: Path) -> None:
    begun: dict[str, list[float]] = {}

    async def handle(request: web.Request) -> web.StreamResponse:
        prompt = (await request.json())["prompt"]
        times = begun.setdefault(prompt, [])
        times.append(asyncio.get_running_loop().time())
        if prompt == "prompt 0" and len(times) == 1:
            return web.json_response({}, status=429, headers={"Retry-After": "2"})
        return web.json_response(GOOD)

    async with serving(handle) as root, asking(f"{root}/v1") as engine:
        await run(engine, tmp_path, 5, LocalRunner(1, Retries(base=0.001)))
    first, second = begun["prompt 0"]
    assert second - first >= 2
    assert all(times[0] < second for times in begun.values())


async def test_a_refused_content_is_a_failed_row_with_the_servers_words(tmp_path: Path) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if (await request.json())["prompt"] == "prompt 1":
            return web.json_response({"error": {"message": "flagged: dangerous sums"}}, status=400)
        return web.json_response(GOOD)

    async with serving(handle) as root, asking(f"{root}/v1") as engine:
        outcomes, _ = await run(engine, tmp_path, 3, LocalRunner(4))
    failed = outcomes[1].result
    assert isinstance(failed, Failed)
    assert failed.cause == "content-refused"
    assert "flagged: dangerous sums" in failed.message


async def test_no_quota_left_stops_the_run_and_no_key_is_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    empty = web.Response(status=429, text='{"error": {"message": "x", "code": "insufficient_quota"}}')
    async with serving(plays(GOOD, GOOD, empty)) as root, asking(f"{root}/v1", api_key_env="MY_KEY") as engine:
        with pytest.raises(EngineUnusable, match="no quota left"):
            await run(engine, tmp_path, 100, LocalRunner(1))
    journal = (tmp_path / "calls.jsonl").read_text()
    assert len(journal.splitlines()) == 2
    assert SECRET not in journal
