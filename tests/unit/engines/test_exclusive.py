"""An engine with its own pass: calls in the pass reach the model, later calls get the recorded results."""

import pytest

from promptcot.engines.exclusive import ExclusiveEngine, exclusive
from promptcot.engines.scripted import ScriptedEngine
from promptcot.errors import EngineUnusable, RequestRefused, TransientError
from promptcot.records import Completion, Request

FATES = {
    "good": Completion("yes"),
    "refused": RequestRefused("too long", "over-long"),
    "lost": TransientError("reset by peer", "connection"),
}


class Closing(ScriptedEngine):
    """Counts how often it was closed."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1


def engine() -> Closing:
    return Closing(lambda request: FATES[request.prompt])


async def ask(one: ExclusiveEngine, prompt: str) -> Completion | Exception:
    try:
        return await one.complete(Request(prompt=prompt))
    except (RequestRefused, TransientError) as error:
        return error


async def test_a_released_engine_answers_with_the_failures_of_its_pass() -> None:
    inner = engine()
    one = ExclusiveEngine(inner)
    one.acquire()
    in_pass = [await ask(one, prompt) for prompt in FATES]
    await one.release()
    released = [await ask(one, prompt) for prompt in FATES]
    assert in_pass == list(FATES.values())
    assert all(isinstance(answer, RequestRefused) for answer in released)  # not one that would be asked again
    assert [(str(answer), getattr(answer, "cause", "")) for answer in released[1:]] == [
        ("too long", "over-long"),
        ("reset by peer", "connection"),
    ]
    assert getattr(released[0], "cause", "") == "not-asked"  # a reply is the journal's affair
    assert (inner.asked, inner.closed) == (3, 1)


async def test_what_failed_is_asked_again_in_the_next_pass() -> None:
    answers = iter([FATES["lost"], FATES["good"]])
    one = ExclusiveEngine(Closing(lambda _: next(answers)))
    one.acquire()
    assert await ask(one, "a") is FATES["lost"]
    await one.release()
    one.acquire()
    assert await ask(one, "a") == FATES["good"]
    await one.release()
    assert getattr(await ask(one, "a"), "cause", "") == "not-asked"


async def test_stages_that_share_an_engine_keep_their_own_failures() -> None:
    inner = engine()
    made = exclusive({"a": inner, "b": inner})
    made["a"].acquire()
    await ask(made["a"], "refused")
    await made["a"].release(made["b"])
    assert inner.closed == 0
    made["b"].acquire()
    assert getattr(await ask(made["a"], "refused"), "cause", "") == "over-long"
    assert inner.asked == 1  # the other one's one is no one of its own
    await made["b"].release()
    assert inner.closed == 1


async def test_a_released_engine_does_nothing_else_either() -> None:
    one = ExclusiveEngine(engine())
    assert await one.score("a", "b")
    assert (await one.embed(["a"])).shape == (1, 8)
    await one.release()
    with pytest.raises(EngineUnusable, match="released after its pass"):
        await one.score("a", "b")
    with pytest.raises(EngineUnusable, match="released after its pass"):
        await one.embed(["a"])
