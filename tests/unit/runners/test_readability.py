"""When a stage is stopped because no reply is usable, how soon, and what the next run does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from promptcot.engines.scripted import Script, ScriptedEngine
from promptcot.errors import SystematicFailure, TransientError
from promptcot.records import Completion, Drop, Item, Outcome, Request, Retry, Row, Sampling, derive_seed
from promptcot.runners.local import LocalRunner
from promptcot.runners.readability import Readability
from promptcot.runners.retries import Retries
from promptcot.storage.counts import StageCounts
from promptcot.storage.given_up import given_up
from promptcot.storage.journal import Journal

BAD, GOOD = "I would rather not.", "good"


class Strict:
    """Reads "good", calls "poor" unusable, and drops "other" by decision."""

    name = "strict"

    def __init__(self, *, retry: bool = False, samples: int = 1, max_tokens: int = 100) -> None:
        self._retry, self._samples, self._sampling = retry, samples, Sampling(max_tokens=max_tokens)

    def ask(self, row: Row) -> Sequence[Request]:
        seeds = [derive_seed(0, row["id"], sample) for sample in range(self._samples)]
        return [Request(prompt=row["id"], sampling=self._sampling, seed=seed) for seed in seeds]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row] | Retry | Drop:
        text = replies[0].text
        if text.startswith("other"):
            return Drop("not wanted")
        if text.startswith((GOOD, "poor")):
            return [{**row, "completion": text}]
        reason = "unreadable: no markers" if text.strip() else "empty"
        drop = Drop(reason, [text], replies[0].finish_reason)
        return Retry("no markers", drop) if self._retry else drop

    def unusable(self, row: Row) -> str | None:
        return "poor" if row["completion"] == "poor" else None


async def items(count: int) -> AsyncIterator[Item]:
    for number in range(count):
        yield Item(number, {"id": str(number)})


async def take(
    folder: Path,
    script: Script,
    count: int = 500,
    stage: Strict | None = None,
    concurrency: int = 256,
    max_retries: int = 0,
    latency: Callable[[Request], float] | None = None,
    keep_going: bool = False,
) -> tuple[list[Outcome], StageCounts]:
    """All outcomes, and the counts. Raises SystematicFailure, with the counts as `counts`."""
    counts = StageCounts("strict")
    runner = LocalRunner(concurrency, Retries(tries=3, base=0.001), max_retries, keep_going=keep_going)
    engine = ScriptedEngine(script, latency=latency)
    with Journal(folder) as journal:
        try:
            passage = runner.run(stage or Strict(), items(count), engine, journal, counts)
            return [outcome async for outcome in passage], counts
        except SystematicFailure as error:
            error.counts = counts  # type: ignore[attr-defined]
            raise


async def stopped(folder: Path, script: Script, **how: object) -> tuple[str, int]:
    """What a run says that is stopped, and how many calls it made."""
    with pytest.raises(SystematicFailure) as caught:
        await take(folder, script, **how)  # type: ignore[arg-type]
    return str(caught.value), caught.value.counts.calls  # type: ignore[attr-defined]


USELESS = {
    "unreadable": (lambda _: BAD, {}),
    "asked again": (lambda _: BAD, {"stage": Strict(retry=True), "max_retries": 2}),
    "empty": (lambda _: " \n", {}),
    "unusable outputs": (lambda _: "poor", {}),
    "few at a time": (lambda _: BAD, {"concurrency": 3}),
    "slow ones": (lambda _: BAD, {"latency": lambda request: 0.001 * (request.seed % 7)}),
}


@pytest.mark.parametrize(("script", "how"), USELESS.values(), ids=[*USELESS])
async def test_a_model_that_is_never_readable_is_asked_forty_times_at_most(
    tmp_path: Path, script: Script, how: dict[str, object]
) -> None:
    told, calls = await stopped(tmp_path, script, **how)
    assert 20 <= calls <= 40
    assert told.startswith("strict: stopped because none of the first 2")
    assert "Likely cause: " in told
    assert "Remedy: " in told


@pytest.mark.parametrize("samples", [4, 64])
async def test_a_row_of_several_calls_gets_them_all(tmp_path: Path, samples: int) -> None:
    _, calls = await stopped(tmp_path, lambda _: BAD, stage=Strict(samples=samples))
    assert calls <= 40 + 2 * samples


async def test_no_more_than_forty_are_under_way_until_one_could_be_read_and_then_all(tmp_path: Path) -> None:
    arrived, gate, waiting = [0], asyncio.Event(), 0

    class Gated(ScriptedEngine):
        async def complete(self, request: Request) -> Completion:
            nonlocal waiting
            waiting += 1
            arrived[0] = max(arrived[0], waiting)
            if request.prompt != "0":
                await gate.wait()
            elif not first.is_set():
                await first.wait()
            waiting -= 1
            return Completion(GOOD)

    first = asyncio.Event()
    with Journal(tmp_path) as journal:
        passage = LocalRunner(100).run(Strict(), items(300), Gated(lambda _: ""), journal, StageCounts("strict"))
        reading = asyncio.ensure_future(anext(passage))
        for _ in range(200):
            await asyncio.sleep(0)
        assert arrived[0] == 40
        first.set()
        await reading
        for _ in range(200):
            await asyncio.sleep(0)
        assert arrived[0] == 100
        gate.set()
        assert len([outcome async for outcome in passage]) == 299


async def test_one_readable_reply_among_the_first_is_enough_to_go_on(tmp_path: Path) -> None:
    outcomes, counts = await take(tmp_path, lambda r: GOOD if r.prompt == "19" else BAD, 150, concurrency=1)
    assert len(outcomes) == 150
    assert (counts.usable, dict(counts.useless.counts)) == (1, {"no markers": 149})


async def test_rows_that_are_left_out_by_decision_were_read(tmp_path: Path) -> None:
    outcomes, _ = await take(tmp_path, lambda _: "other", 100)
    assert [outcome.result for outcome in outcomes] == [Drop("not wanted")] * 100


async def test_failed_calls_are_no_replies_that_cannot_be_read(tmp_path: Path) -> None:
    def script(request: Request) -> str | Exception:
        return BAD if int(request.prompt) < 19 else TransientError("busy", "http 429")

    outcomes, _ = await take(tmp_path, script, 22, concurrency=1)
    assert len(outcomes) == 22


async def test_two_hundred_in_a_row_stop_a_stage_of_which_less_than_a_hundredth_was_readable(tmp_path: Path) -> None:
    told, calls = await stopped(tmp_path, lambda r: GOOD if r.prompt == "3" else BAD, concurrency=1)
    assert calls == 204
    assert "none of the last 200 replies can be used, and 1 of all 204" in told


async def test_a_hundredth_of_readable_replies_is_enough(tmp_path: Path) -> None:
    outcomes, _ = await take(tmp_path, lambda r: GOOD if int(r.prompt) < 3 else BAD, 250, concurrency=1)
    assert len(outcomes) == 250


async def test_started_again_unchanged_it_stops_without_a_call_and_says_the_same(tmp_path: Path) -> None:
    first, _ = await stopped(tmp_path, lambda _: BAD)
    for _ in range(2):
        again, calls = await stopped(tmp_path, lambda _: BAD)
        assert calls == 0
        assert again == first.replace(
            "strict: stopped",
            "strict: nothing has changed since the stage was stopped, so no call was made. It was stopped",
        )


async def test_a_larger_limit_is_tried_after_a_stop(tmp_path: Path) -> None:
    def script(request: Request) -> Completion:
        enough = request.sampling.max_tokens > 100
        return Completion(GOOD) if enough else Completion("goo", "length", 10, 100)

    await stopped(tmp_path, lambda r: script(r))
    outcomes, counts = await take(tmp_path, lambda r: script(r), 60, Strict(max_tokens=500))
    assert len(outcomes) == 60
    assert counts.asked_again["truncated at another limit"] >= 20


async def test_a_stop_is_forgotten_when_the_model_could_be_read_afterwards(tmp_path: Path) -> None:
    await stopped(tmp_path, lambda _: BAD, count=30)
    assert given_up(tmp_path) is not None
    Readability("strict", tmp_path).saw(None, asked=1, known=0)
    assert given_up(tmp_path) is None


async def test_calls_that_were_under_way_at_the_stop_are_not_made_by_the_next_run(tmp_path: Path) -> None:
    """The first rows are the slowest, so that none of them has an answer in the journal."""
    slow = {str(number) for number in range(15)}

    async def run_once() -> tuple[str, int]:
        return await stopped(tmp_path, lambda _: BAD, latency=lambda r: 60.0 if r.prompt in slow else 0.0)

    _, calls = await run_once()
    assert calls == 20
    told, calls = await run_once()
    assert calls == 0
    assert "nothing has changed since the stage was stopped" in told


@pytest.mark.parametrize(
    "damage", [lambda text: "[]", lambda text: text[:-9], lambda text: text.replace("version", "v")]
)
async def test_a_damaged_note_of_a_stop_is_none(tmp_path: Path, damage: Callable[[str], str]) -> None:
    await stopped(tmp_path, lambda _: BAD, count=30)
    note = tmp_path / "given-up.json"
    note.write_text(damage(note.read_text()))
    assert given_up(tmp_path) is None


async def test_another_version_which_may_read_replies_otherwise_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stopped(tmp_path, lambda _: BAD)
    monkeypatch.setattr("promptcot.storage.given_up.__version__", "later")
    _, calls = await stopped(tmp_path, lambda _: BAD)
    assert 20 <= calls <= 40


async def test_known_replies_that_cannot_be_read_do_not_stop_a_run_that_went_well(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for number in (*range(60), 99):
            [request] = Strict().ask({"id": str(number)})
            journal.append(request.key("scripted"), request, Completion(GOOD if number == 99 else BAD))
    outcomes, counts = await take(tmp_path, lambda r: GOOD if int(r.prompt) % 9 == 0 else BAD, 200)
    assert len(outcomes) == 200
    assert counts.reused == 61


async def test_the_message_shows_the_most_frequent_kind_without_control_characters(tmp_path: Path) -> None:
    def script(request: Request) -> Completion:
        if request.prompt == "0":
            return Completion("")
        return Completion("\x1b]0;title\x07Certainly!\nHere is", "length", 9, 100)

    told, _ = await stopped(tmp_path, script, concurrency=1)
    assert "\x1b" not in told
    assert "\x07" not in told
    assert "Certainly! Here is" in told
    assert "max_tokens = 100 is too low" in told
    assert str(tmp_path) in told


async def test_what_was_never_asked_before_is_asked_after_a_stop(tmp_path: Path) -> None:
    """With more attempts the same rows are asked with other seeds: that may change something, and forty calls show."""
    await stopped(tmp_path, lambda _: BAD, stage=Strict(retry=True))
    told, calls = await stopped(tmp_path, lambda _: BAD, stage=Strict(retry=True), max_retries=1)
    assert 20 <= calls <= 40
    assert told.startswith("strict: stopped because none")
    outcomes, _ = await take(tmp_path, lambda r: GOOD if r.attempt == 2 else BAD, 50, Strict(retry=True), max_retries=2)
    assert all(not isinstance(outcome.result, Drop) for outcome in outcomes)


@pytest.mark.parametrize("reply", [BAD, " ", "poor"])
async def test_a_model_that_is_measured_is_asked_about_all_rows_of_whatever_use_it_is(
    tmp_path: Path, reply: str
) -> None:
    await stopped(tmp_path, lambda _: reply)
    outcomes, counts = await take(tmp_path, lambda _: reply, keep_going=True)
    assert len(outcomes) == 500
    assert counts.calls + counts.reused == 500
