"""The process of the server: started, monitored and stopped, with a small program instead of vLLM."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from promptcot.engines.machine import Gpu
from promptcot.engines.vllm import log as vllm_log
from promptcot.engines.vllm.guard import descendants
from promptcot.engines.vllm.options import ServerOptions
from promptcot.engines.vllm.placement import CPU, Placement
from promptcot.engines.vllm.server import Launch, VllmServer
from promptcot.errors import EngineUnusable, InputError
from tests.programs import PATIENCE, comes_true, runs, started, wait_for_the_end_of

FAKE = Path(__file__).with_name("fake_vllm.py")
GPUS = [Gpu(place, f"GPU-{place}", "H100", 80 << 30, 80 << 30) for place in range(4)]
Maker = Callable[..., VllmServer]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted, and listed under /proc, on Linux")


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Maker]:
    made: list[VllmServer] = []

    def server(
        mode: str = "good", placement: Placement = CPU, extra: tuple[str, ...] = (), grace: float = 2.0, **how: Any
    ) -> VllmServer:
        launch = Launch(tmp_path / "logs" / "vllm.log", (sys.executable, "-IS", str(FAKE), mode), grace=grace, **how)
        made.append(VllmServer(ServerOptions("some/model", "m", extra=extra), placement, launch))
        return made[-1]

    yield server
    for one in made:
        await one.stop()


def offspring() -> set[int]:
    """What this process has started and has not ended, such as pytest's own helpers aside."""
    return set(descendants(os.getpid()))


def ask(base_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{base_url}/arguments", timeout=PATIENCE) as reply:
        found: dict[str, Any] = json.load(reply)
    return found


async def test_a_started_server_answers_and_a_stopped_one_leaves_no_process(make: Maker) -> None:
    before = offspring()
    server = make()
    assert not server.alive
    [url] = await server.start()
    assert server.alive
    assert "--port" in ask(url)["argv"]
    below = offspring() - before
    assert len(below) == 3, "guard, server and worker"
    await server.stop()
    assert not server.alive
    assert not any(runs(pid) for pid in below)
    await server.stop()


@on_linux
async def test_no_list_of_processes_shows_a_key(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnop")
    before = offspring()
    await make(key="the-key-of-the-run").start()
    for pid in offspring() - before:
        shown = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert b"python" in shown
        assert b"the-key-of-the-run" not in shown
        assert b"hf_abc" not in shown


async def test_a_server_that_ignores_the_polite_end_is_killed(make: Maker) -> None:
    before = offspring()
    server = make("stubborn", grace=0.3)
    await server.start()
    below = offspring() - before
    await server.stop()
    assert len(below) == 3
    assert not any(runs(pid) for pid in below)


async def test_a_killed_server_is_seen_at_once_and_its_orphans_end(make: Maker) -> None:
    before = offspring()
    server = make()
    await server.start()
    below = offspring() - before
    os.kill(server.pids[0], signal.SIGKILL)
    await comes_true(lambda: not server.alive)
    await asyncio.to_thread(wait_for_the_end_of, below)
    assert server.pids == []
    assert "signal 9" in server.last_words


@on_linux
async def test_shared_memory_is_given_back_after_a_crash(make: Maker, tmp_path: Path) -> None:
    before = offspring()
    server = make("shares")
    await server.start()
    below = offspring() - before
    memory = Path("/dev/shm") / (tmp_path / "logs" / "vllm.log").read_text().rpartition("memory=")[2].split()[0]
    assert memory.exists()
    os.kill(server.pids[0], signal.SIGKILL)
    await asyncio.to_thread(wait_for_the_end_of, below)
    assert not memory.exists()


async def test_a_crashed_server_starts_again_at_its_old_address(make: Maker, tmp_path: Path) -> None:
    server = make()
    [url] = await server.start()
    os.kill(server.pids[0], signal.SIGKILL)
    await comes_true(lambda: not server.alive)
    assert await server.start() == [url]
    assert ask(url)
    assert (tmp_path / "logs" / "vllm.log").read_text().count("=== ") == 2


async def test_of_several_copies_only_the_dead_one_is_started_again(make: Maker, tmp_path: Path) -> None:
    server = make(placement=Placement(((GPUS[0], GPUS[1]), (GPUS[2], GPUS[3]))))
    urls = await server.start()
    assert len(set(urls)) == 2
    assert [ask(url)["gpus"] for url in urls] == ["0,1", "2,3"]
    first, second = server.pids
    os.kill(second, signal.SIGKILL)
    await comes_true(lambda: not server.alive)
    assert server.dead == urls[1:]
    assert await server.start() == urls
    assert server.pids[0] == first
    assert server.pids[1] != second
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["vllm-2.log", "vllm.log"]


async def test_a_server_that_ends_at_start_tells_why_and_where_its_log_is(make: Maker) -> None:
    with pytest.raises(EngineUnusable) as caught:
        await make("fails").start()
    words = str(caught.value)
    assert "exit code 1:\ntorch.OutOfMemoryError: CUDA out of memory\n" in words
    assert "vllm.log" in words
    assert "--n_gpus" in words
    assert caught.value.cause == "vllm-start"


async def test_a_start_that_takes_too_long_is_given_up_and_nothing_is_left(make: Maker) -> None:
    before = offspring()
    with pytest.raises(EngineUnusable, match="not ready after 1 s"):
        await make("deaf", patience=0.8).start()
    assert offspring() <= before


async def test_a_cancelled_start_leaves_nothing(make: Maker) -> None:
    before = offspring()
    start = asyncio.create_task(make("deaf").start())
    await comes_true(lambda: len(offspring() - before) == 3)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert offspring() <= before


async def test_a_port_that_somebody_else_took_is_given_up(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PORTS", str(tmp_path / "tried"))
    server = make("taken")
    [url] = await server.start()
    assert ask(url)


async def test_a_port_of_the_users_own_that_is_in_use_is_a_clear_error(make: Maker) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"--port {port}: this port cannot be used .*in use.*leave --port out"):
            await make(extra=("--port", str(port))).start()


async def test_a_command_that_does_not_exist_is_no_server(make: Maker, tmp_path: Path) -> None:
    server = VllmServer(ServerOptions("m", "m"), CPU, Launch(tmp_path / "log", ("/nowhere/python",)))
    with pytest.raises(EngineUnusable, match="/nowhere/python"):
        await server.start()


PARENT = """
import asyncio, sys
from pathlib import Path
from promptcot.engines.vllm.placement import CPU
from promptcot.engines.vllm.options import ServerOptions
from promptcot.engines.vllm.server import Launch, VllmServer

async def main():
    launch = Launch(Path(sys.argv[2]), (sys.executable, "-IS", sys.argv[1], "good"), grace=2.0)
    server = VllmServer(ServerOptions("m", "m"), CPU, launch)
    await server.start()
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_program_however_it_ends(how: signal.Signals, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", PARENT, str(FAKE), str(tmp_path / "log")]
    with started(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        below = set(descendants(parent.pid))
        parent.send_signal(how)
        parent.wait(PATIENCE)
        assert len(below) == 3
        wait_for_the_end_of(below)


@on_linux
def test_the_end_of_a_program_that_lives_on_in_a_fork_is_noticed(tmp_path: Path) -> None:
    """A child that was forked holds the pipe's other end too, so that its closing alone would not be seen."""
    fork = PARENT.replace('print("ready"', 'import os, time\n    if os.fork() == 0: time.sleep(900)\n    print("ready"')
    with started([sys.executable, "-c", fork, str(FAKE), str(tmp_path / "log")], stdout=subprocess.PIPE) as it:
        assert it.stdout is not None
        assert it.stdout.readline() == b"ready\n"
        everything = set(descendants(it.pid))
        forked = {pid for pid in everything if b"asyncio.run" in Path(f"/proc/{pid}/cmdline").read_bytes()}
        it.kill()
        wait_for_the_end_of(everything - forked)
    assert len(forked) == 1
    assert len(everything) == 4


@on_linux
def test_the_server_is_told_to_end_when_its_guard_is_killed(tmp_path: Path) -> None:
    with started([sys.executable, "-c", PARENT, str(FAKE), str(tmp_path / "log")], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        guard, server, worker = descendants(parent.pid)
        os.kill(guard, signal.SIGKILL)
        try:
            wait_for_the_end_of([server])
        finally:
            os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize(
    ("text", "cause", "way_out"),
    [
        (
            "usage: api_server.py [-h]\napi_server.py: error: unrecognized arguments: --no-such-option",
            "api_server.py: error: unrecognized arguments: --no-such-option",
            "--engine-args",
        ),
        (
            "(Worker pid=9) ERROR 11-24 01:27:00 [x.py:1] ValueError: Free memory on device is less than desired\n"
            "(EngineCore pid=8) ERROR 11-24 01:27:01 [y.py:1] Exception: WorkerProc initialization failed\n"
            "(APIServer pid=7) RuntimeError: Engine core initialization failed. See root cause above.",
            "ValueError: Free memory on device is less than desired",
            "--gpu-memory-utilization",
        ),
        (
            "pydantic_core.ValidationError: 1 validation error for ModelConfig\n  Value error, User-specified "
            "max_model_len (5000) is greater than the derived max_model_len",
            "Value error, User-specified max_model_len (5000) is greater than the derived max_model_len",
            "--max-model-len",
        ),
        ("OSError: [Errno 98] Address already in use", "OSError: [Errno 98] Address already in use", "--port"),
    ],
)
def test_the_cause_is_found_among_the_reports_of_it(text: str, cause: str, way_out: str) -> None:
    assert vllm_log.reason(text) == cause
    assert way_out in (vllm_log.way_out(cause) or "")


def test_a_log_without_an_error_gives_its_last_lines() -> None:
    assert vllm_log.reason("one\n\ntwo\nthree\nfour\n") == "two\nthree\nfour"
    assert vllm_log.reason("") == "(it wrote nothing)"
    assert vllm_log.way_out("two") is None


async def test_a_start_is_told_with_its_log_and_what_it_took(make: Maker, tmp_path: Path) -> None:
    told: list[str] = []
    server = make(say=told.append)
    await server.start()
    assert told[0].startswith("m: starting 1 vLLM server, about a minute")
    assert told[0].endswith(f"log: {tmp_path / 'logs' / 'vllm.log'}")
    assert told[1].startswith("m: 1 vLLM server ready after ")
    assert len(told) == 2
