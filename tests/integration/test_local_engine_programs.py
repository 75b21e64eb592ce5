"""The embedded engine in a separate program: its exit, and its message without torch."""

from __future__ import annotations

from pathlib import Path

from tests.integration.tiny_models import save_model
from tests.programs import python

PROGRAM = """
import asyncio, sys
from promptcot.engines.local.engine import LocalEngine
from promptcot.records import Request, Sampling

async def main():
    engine = LocalEngine(sys.argv[1])
    calls = [asyncio.create_task(engine.complete(Request(prompt="a", seed=n))) for n in range(9)]
    await calls[0]  # the engine's threads are at work now
    raise SystemExit(7)

asyncio.run(main())
"""


def test_a_program_that_never_closes_its_engine_still_ends_and_says_nothing(tmp_path: Path) -> None:
    done = python(PROGRAM, str(save_model(tmp_path)))
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")


def test_without_torch_the_way_out_is_named(tmp_path: Path) -> None:
    program = "import sys; sys.modules['torch'] = None\n" + PROGRAM
    done = python(program, "x")
    assert "EngineUnusable: the local engine needs torch: pip install 'promptcot[local]'" in done.stderr
