"""A pool of workers: calls that do not finish, and workers that cannot start."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptcot.errors import InputError
from promptcot.grading.workers import Pool, WorkerLost
from tests.programs import wait_for_the_end_of

SLOW, QUICK = ("x+1", "x+2"), (r"\sin(a+b)", r"\sin(b+a)")


@pytest.fixture
def pool() -> Iterator[Pool]:
    one = Pool(1, 20.0, 2 << 30, "mathematics")
    yield one
    one.close()


class Interrupted(BaseException):
    """The error that a signal handler raises."""


def test_a_call_that_is_interrupted_leaves_no_answer_behind_for_the_next(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pool.ask("grade", *QUICK) is True
    [before] = pool.pids

    def interrupted(*_: object) -> bytes:
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr("promptcot.grading.workers.Worker._line", interrupted)
        with pytest.raises(Interrupted):
            pool.ask("grade", *SLOW)
    assert pool.pids == []
    wait_for_the_end_of([before])
    assert pool.ask("grade", *QUICK) is True
    assert pool.ask("grade", *SLOW) is False


def test_a_verifier_that_cannot_be_opened_is_an_error_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "refuses.py").write_text("raise RuntimeError('not here')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    pool = Pool(1, 2.0, 2 << 30, "refuses:it")
    for _ in range(3):
        with pytest.raises(InputError, match="cannot be loaded in a separate process"):
            pool.ask("check_gold", "4")
    assert pool.pids == []


def test_a_worker_that_is_killed_costs_one_call(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pool.ask("grade", *QUICK) is True
    [worker] = pool._all
    worker._process.kill()
    with pytest.raises(WorkerLost, match="crash"):
        pool.ask("grade", *QUICK)
    assert pool.ask("grade", *QUICK) is True


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="masks of other processes are not told here")
def test_a_thread_that_blocks_signals_starts_workers_with_a_limit_all_the_same(pool: Pool) -> None:
    def ask() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPROF, signal.SIGALRM})
        pool.ask("grade", *QUICK)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    [worker] = pool.pids
    blocked = re.search(r"^SigBlk:\s*(\w+)$", Path(f"/proc/{worker}/status").read_text(), re.MULTILINE)
    assert blocked is not None
    assert not int(blocked[1], 16) & (1 << signal.SIGPROF - 1 | 1 << signal.SIGALRM - 1)


def test_a_long_call_is_sent_whole_where_writes_are_cut_short(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pool.ask("grade", *QUICK) is True
    [worker] = pool._all
    pipe = worker._process.stdin

    class Short:
        """A pipe that takes seven bytes at a time, as one does that a signal interrupts."""

        def write(self, rest: memoryview) -> int:
            assert pipe is not None
            return pipe.write(bytes(rest[:7])) or 0

        def close(self) -> None:
            assert pipe is not None
            pipe.close()

    monkeypatch.setattr(worker._process, "stdin", Short())
    assert pool.ask("grade", "x" * 500, "x" * 500) is True
