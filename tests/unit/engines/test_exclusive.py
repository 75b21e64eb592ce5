"""An engine with a turn: what was asked in it is asked, what comes after it is answered from what happened then."""

import pytest

from promptcot.engines.exclusive import Turn, turns
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


async def ask(turn: Turn, prompt: str) -> Completion | Exception:
    try:
        return await turn.complete(Request(prompt=prompt))
    except (RequestRefused, TransientError) as error:
        return error


async def test_a_parked_engine_answers_with_the_failures_of_its_turn() -> None:
    inner = engine()
    turn = Turn(inner)
    turn.take()
    in_turn = [await ask(turn, prompt) for prompt in FATES]
    await turn.park()
    parked = [await ask(turn, prompt) for prompt in FATES]
    assert in_turn == list(FATES.values())
    assert all(isinstance(answer, RequestRefused) for answer in parked)  # not one that would be asked again
    assert [(str(answer), getattr(answer, "cause", "")) for answer in parked[1:]] == [
        ("too long", "over-long"),
        ("reset by peer", "connection"),
    ]
    assert getattr(parked[0], "cause", "") == "not-asked"  # a reply is the journal's affair
    assert (inner.asked, inner.closed) == (3, 1)


async def test_what_failed_is_asked_again_in_the_next_turn() -> None:
    answers = iter([FATES["lost"], FATES["good"]])
    turn = Turn(Closing(lambda _: next(answers)))
    turn.take()
    assert await ask(turn, "a") is FATES["lost"]
    await turn.park()
    turn.take()
    assert await ask(turn, "a") == FATES["good"]
    await turn.park()
    assert getattr(await ask(turn, "a"), "cause", "") == "not-asked"


async def test_stages_that_share_an_engine_keep_their_own_failures() -> None:
    inner = engine()
    made = turns({"a": inner, "b": inner})
    made["a"].take()
    await ask(made["a"], "refused")
    await made["a"].park(made["b"])
    assert inner.closed == 0
    made["b"].take()
    assert getattr(await ask(made["a"], "refused"), "cause", "") == "over-long"
    assert inner.asked == 1  # the other one's turn is no turn of its own
    await made["b"].park()
    assert inner.closed == 1


async def test_a_parked_engine_does_nothing_else_either() -> None:
    turn = Turn(engine())
    assert await turn.score("a", "b")
    assert (await turn.embed(["a"])).shape == (1, 8)
    await turn.park()
    with pytest.raises(EngineUnusable, match="turn is over"):
        await turn.score("a", "b")
    with pytest.raises(EngineUnusable, match="turn is over"):
        await turn.embed(["a"])
