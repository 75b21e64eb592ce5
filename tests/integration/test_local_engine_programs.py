"""The embedded engine in a program of its own: how it ends, and what it says without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.integration.tiny_models import save_model

PROGRAM = """
import asyncio, sys
from promptcot.engines.local.engine import LocalEngine
from promptcot.records import Request, Sampling

async def main():
    engine = LocalEngine(sys.argv[1])
    calls = [asyncio.create_task(engine.complete(Request(prompt="a", seed=n))) for n in range(9)]
    await asyncio.sleep(0.05)
    raise SystemExit(7)

asyncio.run(main())
"""


def test_a_program_that_never_closes_its_engine_still_ends_and_says_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(save_model(tmp_path))], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def test_without_torch_the_way_out_is_named(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None\n" + PROGRAM
    done = subprocess.run([sys.executable, "-c", program, "x"], capture_output=True, text=True, timeout=60)
    assert "EngineUnusable: the local engine needs torch: pip install 'promptcot[local]'" in done.stderr
