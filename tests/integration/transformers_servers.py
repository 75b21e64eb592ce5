"""`transformers serve` as a program: a server that shares no code with vLLM or with ours."""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from promptcot.engines.vllm.server import free_port
from tests.programs import PATIENCE, started, wait_until


@contextmanager
def serving(model: Path, log: Path) -> Iterator[str]:
    """The base URL of a server of this model, in float32 on the CPU, until the block is left."""
    port = free_port("127.0.0.1", range(1))
    command = [str(Path(sys.executable).with_name("transformers")), "serve", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--device", "cpu", "--dtype", "float32", str(model)]
    alone = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output, started(command, stdout=output, stderr=output, env=alone) as process:
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}/health"), process)
        yield f"http://127.0.0.1:{port}/v1"


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE):
            return True
    except OSError:
        return False
