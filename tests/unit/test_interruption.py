"""Requests to stop: what counts as one, who handles it, and the effect of a second one."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from promptcot import interruption
from promptcot.interruption import INTERRUPTED, REQUESTS, Listener, handlers_kept, inherited_deafness, raising
from promptcot.pipeline.synchronous import wait_for
from tests.programs import finished, python

Later = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Lets the clock go on."""
    now = [100.0]
    monkeypatch.setattr(interruption.time, "monotonic", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


@pytest.mark.parametrize("how", REQUESTS)
def test_the_innermost_listener_hears_the_first_request_and_the_one_before_it_a_second(
    later: Later, how: signal.Signals
) -> None:
    heard: list[str] = []
    outer, inner = Listener(lambda: heard.append("outer")), Listener(lambda: heard.append("inner"))
    before = [signal.getsignal(number) for number in REQUESTS]
    with handlers_kept():
        signal.signal(how, signal.default_int_handler)
        with outer.listening(), inner.listening():
            signal.raise_signal(how)
            assert (heard, inner.asked, outer.asked) == (["inner"], True, False)
            later(2.0)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(how)
    assert heard == ["inner"]
    assert [signal.getsignal(number) for number in REQUESTS] == before


def test_signals_that_come_together_are_one_request(later: Later) -> None:
    """`timeout` sends SIGTERM to a program and then to its group."""
    heard: list[int] = []
    with Listener(lambda: heard.append(1)).listening():
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
            later(0.3)
    assert heard == [1]


def test_what_is_ignored_stays_ignored() -> None:
    with handlers_kept():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with Listener(lambda: None).listening():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_only_what_raises_is_heard_by_who_waits_for_work() -> None:
    with handlers_kept():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, lambda *_: None)  # a program's own
        assert raising() == [signal.SIGINT]
        with Listener(lambda: None).listening():
            assert raising() == list(REQUESTS)


async def stopped_in_the_middle(cleaned: list[str], how: signal.Signals) -> None:
    try:
        signal.raise_signal(how)
        await asyncio.sleep(0)
        cleaned.append("went on")
    finally:
        await asyncio.sleep(0)
        cleaned.append("cleaned up")


def test_work_that_is_waited_for_is_cancelled_and_cleans_up_before_the_interrupt_is_raised() -> None:
    cleaned: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        wait_for(stopped_in_the_middle(cleaned, signal.SIGINT))
    assert cleaned == ["cleaned up"]


async def stopped_at_its_end() -> int:
    signal.raise_signal(signal.SIGINT)
    return 1


def test_a_request_is_not_lost_though_the_work_came_to_its_end() -> None:
    with pytest.raises(KeyboardInterrupt):
        wait_for(stopped_at_its_end())


def test_work_in_another_thread_has_no_part_in_signals() -> None:
    found: list[int] = []

    async def work() -> int:
        return 7

    thread = threading.Thread(target=lambda: found.append(wait_for(work())))
    thread.start()
    thread.join()
    assert found == [7]


def test_a_program_that_inherits_deafness_outlives_requests() -> None:
    program = "import os, signal; [os.kill(os.getpid(), s) for s in (2, 15, 1)]; print('here')"
    with inherited_deafness():
        assert python(program).stdout == "here\n"
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


PROGRAM = """
import signal, sys
from promptcot import interruption
from promptcot.cli import program, root
def run(arguments):
    {body}
root.run = run
sys.exit(program([]))
"""
FINALIZER = """
    class Gone:
        def __del__(self): signal.raise_signal(signal.SIGTERM)
    gone = Gone()
    del gone
    while True: signal.sigtimedwait([], 0.01)
"""
TWICE = """
    interruption._ONE_REQUEST = -1.0
    try: signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt: signal.raise_signal(signal.SIGTERM)
    while True: signal.pause()
"""
AT_THE_END = """
    import atexit
    atexit.register(signal.raise_signal, signal.SIGTERM)
    return 3
"""
ENDS = {
    "at once": ("signal.raise_signal(signal.SIGHUP)", INTERRUPTED, "Interrupted. "),
    "in a finalizer, where Python drops what is raised": (FINALIZER, INTERRUPTED, "Interrupted. "),
    "twice": (TWICE, INTERRUPTED, "Stopped at once. "),
    "when all is over": (AT_THE_END, 3, ""),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_program_that_is_asked_to_stop_ends_with_one_line_and_never_by_a_signal(name: str) -> None:
    body, code, said = ENDS[name]
    done = finished([sys.executable, "-c", PROGRAM.format(body=body)])
    kept = "What was finished is kept: run the same command again to go on.\n"
    assert (done.returncode, done.stderr) == (code, said + kept if said else "")
