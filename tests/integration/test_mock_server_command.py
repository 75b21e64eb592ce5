"""The command `mock-server`: its output and its exit."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import aiohttp
import pytest

from tests import programs
from tests.programs import PATIENCE

COMMAND = "import sys; from promptcot.cli import main; sys.exit(main())"


@pytest.fixture
def started() -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", COMMAND, "mock-server", "--port", "0", "--rate-500", "1", "--model", "m"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with programs.started(arguments, env=environment, **pipes) as it:
        yield it


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_the_command_serves_until_it_is_told_to_end(started: subprocess.Popen[str], how: signal.Signals) -> None:
    assert started.stdout is not None
    line = await asyncio.to_thread(started.stdout.readline)
    assert line.startswith("mock server at http://127.0.0.1:")
    assert line.endswith("/v1, model m, seed 0\n")
    url = f"{line.split()[3].rstrip(',')}/completions"
    body = {"model": "m", "prompt": "Write a problem.", "max_tokens": 9}
    async with aiohttp.ClientSession() as client, client.post(url, json=body) as reply:
        status = reply.status
    started.send_signal(how)
    out, err = await asyncio.to_thread(started.communicate, timeout=PATIENCE)
    assert (status, started.returncode, err) == (500, 0, "")
    assert out == "1 call, 0 answered, 0 of them repeated; at most 1 at a time\n500: 1\n"


def test_the_command_ends_with_1_where_the_port_is_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = [sys.executable, "-c", COMMAND, "mock-server", "--port", str(taken.getsockname()[1])]
        done = programs.finished(arguments)
    assert done.returncode == 1
    assert "the port is in use" in done.stderr
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr
