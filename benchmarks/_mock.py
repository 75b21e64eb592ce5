"""The mock server as a separate program, for benchmarks; and the resources that a program used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptcot.storage.writer import RowWriter


@contextmanager
def mock_server(*options: str) -> Iterator[str]:
    """Run `promptcot mock-server` on a free port; gives its base URL."""
    command = [sys.executable, "-m", "promptcot", "mock-server", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+/v1", process.stdout.readline())
        try:
            if found is None:
                raise SystemExit("the mock server did not start")
            yield found[0]
        finally:
            process.terminate()
            process.communicate()


def stats(base_url: str) -> dict[str, Any]:
    """What the server has counted."""
    with urllib.request.urlopen(f"{base_url.removesuffix('/v1')}/stats") as reply:
        found: dict[str, Any] = json.load(reply)
    return found


@dataclass(frozen=True)
class Used:
    """The resources of a program: wall-clock and CPU seconds, peak memory in MB, exit code."""

    seconds: float
    cpu: float
    megabytes: float
    code: int


def generate(source: Path, target: Path, url: str) -> list[str]:
    """The command that asks the mock model about each row."""
    paths = ["--data-path", str(source), "--output-path", str(target)]
    model = ["--base-url", url, "--model-path", "mock", "--max-len", "1024"]
    return [sys.executable, "-m", "promptcot", "generate", *paths, *model]


def write_rows(path: Path, rows: int, words: int = 80) -> None:
    """Rows with a prompt that asks for a problem."""
    writer = RowWriter(path)
    for number in range(rows):
        prompt = f"Design a problem, number {number}, with a rationale. " + "theory " * words
        writer.write({"id": f"{number:016x}", "prompt": prompt})
    writer.commit()


def run(command: Sequence[str], log: str) -> Used:
    """Run a program to its end, its output into a file.

    Modules are compiled once, as in any installation: into a folder beside the log where the environment is against it.
    """
    elsewhere = {"PYTHONPYCACHEPREFIX": f"{Path(log).parent}/bytecode", "PYTHONDONTWRITEBYTECODE": ""}
    environment = {**os.environ, **(elsewhere if os.environ.get("PYTHONDONTWRITEBYTECODE") else {})}
    started = time.monotonic()
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        with _Peak(process.pid) as peak:
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return Used(time.monotonic() - started, cpu, peak.megabytes, process.returncode)


class _Peak:
    """The most memory of a process, looked at while it runs: what the system counts at its end begins with the memory
    of the process that started it.
    """

    def __init__(self, pid: int) -> None:
        self.megabytes = 0.0
        self._path = Path(f"/proc/{pid}/status")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.1):
            with suppress(OSError):
                lines = self._path.read_text().splitlines()
                kilobytes = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
                self.megabytes = max(self.megabytes, *(one / 1024 for one in kilobytes), 0.0)
