"""Rewards in threads, forks, event loops and actors: the same verdicts as in one thread."""

from __future__ import annotations

import os
import sys

import pytest

from tests.programs import python, runs, started, wait_for_the_end_of

PAIRS = r"""
import asyncio, multiprocessing, os, sys, threading
from promptcot import rewards
HANGS = r"\boxed{\int_0^{\infty} \frac{\sin(x^5) \ln(x)}{e^{x^2}+\sqrt{x}} dx}"
PAIRS = [
    (r"\boxed{4}", "4"), (r"\boxed{\sin(b+a)}", r"\sin(a+b)"), (r"\boxed{\sin(b-a)}", r"\sin(a+b)"), (None, "4"),
    (HANGS, "x+1"), ("\\boxed{" + "(" * 50_000 + "1" + ")" * 50_000 + "}", "42"), (r"\boxed{" * 300, "4"), (b"", b"4"),
    (r"\boxed{(10^{9})!}", "42"), ("x" * 1_000_000, "4"), ("\\boxed{\0\ud800}", "4"), (r"\boxed{4}", None),
    (r"\boxed{\frac{1}{" + r"1+\frac{1}{" * 100 + "x" + "}" * 100 + "}}", "x"), ("<think>", "4"),
]
def judge(pairs=PAIRS):
    return [rewards.score(*pair, limit=0.5) for pair in pairs]
def child(_):
    return judge(), rewards.graders.pids()
"""


def test_64_threads_and_an_event_loop_find_what_one_thread_finds_and_leave_nothing() -> None:
    done = python(
        PAIRS
        + """
alone, found = judge(), []
threads = [threading.Thread(target=lambda turn=turn: found.append((turn, judge(PAIRS[turn:] + PAIRS[:turn]))))
           for turn in [n % len(PAIRS) for n in range(64)]]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 64
assert all(scores == alone[turn:] + alone[:turn] for turn, scores in found)
rewards.graders.close()
replies, answers = zip(*PAIRS)
assert asyncio.run(rewards.ascore_batch(replies * 4, answers * 4, limit=0.5)) == alone * 4
print(alone[4].reason, *rewards.graders.pids())
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    reason, *pids = done.stdout.split()
    assert reason == "timeout"
    assert pids
    wait_for_the_end_of(map(int, pids))


def test_8_forks_have_workers_of_their_own_and_leave_nothing() -> None:
    done = python(
        PAIRS
        + """
alone, ours = judge(), rewards.graders.pids()
with multiprocessing.get_context("fork").Pool(8) as pool:
    found = pool.map(child, range(8), chunksize=1)
assert all(scores == alone for scores, pids in found)
theirs = {pid for scores, pids in found for pid in pids}
assert ours and theirs and not theirs & set(ours)
assert judge([(r"\\\\boxed{\\\\sin(d+c)}", r"\\\\sin(c+d)")])[0].reason == "right" and rewards.graders.pids() == ours
print(*ours, *theirs)
"""
    )
    assert done.returncode == 0, done.stderr
    wait_for_the_end_of(map(int, done.stdout.split()))


def test_workers_end_with_a_parent_that_is_killed_while_its_fork_lives_on() -> None:
    program = PAIRS + (
        "judge(PAIRS[:2])\nif os.fork() == 0:\n    sys.stdin.read()\n    os._exit(0)\n"
        "print(*rewards.graders.pids(), flush=True)\nthreading.Event().wait()\n"
    )
    inside, ours = os.pipe()
    with started([sys.executable, "-c", program], stdin=inside, stdout=-1, text=True) as process:
        assert process.stdout is not None
        pids = list(map(int, process.stdout.readline().split()))
        assert pids
        assert all(map(runs, pids))
        process.kill()
        wait_for_the_end_of(pids)  # the fork still waits for the end of its input
        os.close(inside)
        os.close(ours)


@pytest.mark.engines
def test_actors_of_ray_find_what_one_thread_finds_and_leave_nothing() -> None:
    done = python(
        PAIRS
        + """
import ray
class Rewarder:
    def judge(self, pairs):
        return [rewards.score(*pair, limit=0.5) for pair in pairs]
    def pids(self):
        return rewards.graders.pids()
if __name__ == "__main__":
    alone = judge()
    ray.init("local", num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    actors = [ray.remote(Rewarder).options(num_cpus=0, max_concurrency=8).remote() for _ in range(2)]
    found = ray.get([actor.judge.remote(PAIRS) for actor in actors for _ in range(8)])
    assert found == [alone] * 16
    pids = [pid for actor in actors for pid in ray.get(actor.pids.remote())]
    for actor in actors:
        ray.kill(actor)
    ray.shutdown()
    print(*pids)
"""
    )
    assert done.returncode == 0, done.stderr
    pids = list(map(int, done.stdout.split()))
    assert pids
    wait_for_the_end_of(pids)
