"""Processes behind rewards: what a fork inherits, and where workers can start."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptcot import rewards
from promptcot.errors import InputError, RefusedGold
from promptcot.grading.workers import WorkerLost
from promptcot.rewards import score
from promptcot.rewards.verdicts import reads
from tests.programs import finished

ALGEBRA = (r"\boxed{\sin(b+a)}", r"\sin(a+b)")


@pytest.fixture(autouse=True)
def _workers_end() -> Iterator[None]:
    yield
    rewards.graders.close()


def test_a_lock_that_another_thread_holds_at_the_fork_does_not_stop_the_child() -> None:
    assert score(*ALGEBRA).reason == "right"
    inherited = rewards.graders.pids()
    with rewards.graders._lock:
        child = os.fork()
        if child == 0:  # whatever happens, the child ends here
            try:
                right = score(*ALGEBRA).reason == "right" and not set(rewards.graders.pids()) & set(inherited)
                rewards.graders.close()
            finally:
                os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert rewards.graders.pids() == inherited
    assert score(r"\boxed{\sin(d+c)}", r"\sin(c+d)").reason == "right"


def test_a_fork_waits_for_another_thread_that_is_loading_what_grades() -> None:
    """A child would find a module that is half loaded, and wait for ever for a thread that it does not have."""
    program = """
import os, signal, sys, threading, time
from promptcot.rewards import score
inside = threading.Event()
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "promptcot.grading.grader":
            inside.set()
            time.sleep(0.5)
sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=score, args=(r"\\boxed{4}", "4"))
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    os._exit(0 if score(r"\\boxed{4}", "4").reason == "right" else 1)
thread.join()
print(os.waitpid(child, 0)[1])
"""
    done = finished([sys.executable, "-c", program])
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_a_worker_that_somebody_kills_costs_one_verdict_which_is_not_remembered() -> None:
    assert score(*ALGEBRA).reason == "right"
    for worker in rewards.graders.pids():
        os.kill(worker, signal.SIGKILL)
    pair = r"\boxed{\cos(d+c)}", r"\cos(c+d)"
    assert [score(*pair).reason for _ in range(2)] == ["timeout", "right"]


def test_a_process_with_thousands_of_open_files_is_judged_alike() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3000:
        pytest.skip("more open files are not allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3000, hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert score(*ALGEBRA).reason == "right"
    finally:
        for number in held:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_workers_find_the_package_where_the_caller_does() -> None:
    """As in an actor whose code Ray put on its path, and not into its environment."""
    here = str(next(path for path in rewards.__path__)).removesuffix("/promptcot/rewards")
    program = (
        f"import sys\nsys.path.insert(0, {here!r})\nfrom promptcot.rewards import score\nprint(score(*{ALGEBRA!r}))"
    )
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = finished([sys.executable, "-c", program], env=bare)
    assert "reason='right'" in done.stdout, done.stderr


def test_a_worker_that_cannot_start_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/nowhere"])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(InputError, match="cannot start and ends with code 1"):
        score(*ALGEBRA, limit=3)


def test_no_file_beside_a_script_stands_in_for_a_module_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("textwrap", "bisect", "heapq", "string"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(7)")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert score(*ALGEBRA, limit=4).reason == "right"


def test_a_gold_is_not_unreadable_for_good_because_somebody_killed_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed:
        def check_gold(self, gold: str) -> None:
            raise RefusedGold("it cannot be checked") from WorkerLost("crash")

    with monkeypatch.context() as patched:
        patched.setattr(rewards.graders, "grader", lambda verifier, limit: Killed())
        assert not reads("mathematics", 6.0, "x")
    assert reads("mathematics", 6.0, "x")
