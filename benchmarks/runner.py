"""The cost of the runner: CPU per row and stage with an engine that answers at once, and memory over many rows.

    python benchmarks/runner.py [--rows 1000000] [--smallest]

Reading the input, hashing calls, the journal, ordering, counting and writing the output are all included; the stage is
the cheapest possible one. A bare loop that reads, copies and writes the same rows is the comparison.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from _options import Options, verdict

from promptcot.engines.scripted import ScriptedEngine
from promptcot.pipeline.execute import run_stage
from promptcot.records import Completion, Request, Row, Sampling, derive_seed
from promptcot.runners.local import LocalRunner
from promptcot.storage.journal import Journal
from promptcot.storage.outputs import Output
from promptcot.storage.rows import read_rows, with_ids
from promptcot.storage.writer import RowWriter

TARGET_MICROSECONDS = 150
TARGET_MEGABYTES = 500


class Echo:
    """Asks with the row's prompt and keeps the reply."""

    name = "echo"
    sampling = Sampling()

    def ask(self, row: Row) -> Sequence[Request]:
        return [Request(prompt=row["prompt"], sampling=self.sampling, seed=derive_seed(0, row["id"], 0))]

    def read(self, row: Row, replies: Sequence[Completion]) -> Sequence[Row]:
        return [{**row, "completion": replies[0].text}]


def main() -> int:
    parser = Options(__doc__, rows=500)
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    rows = chosen.rows
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in.jsonl")
        _write_input(source, rows)
        bare = _microseconds(lambda: _copy(source, Path(folder, "bare.jsonl")), rows)
        ours = _microseconds(lambda: asyncio.run(_run(source, Path(folder, "out.jsonl"))), rows)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"rows                      {rows:,}")
    print(f"bare read, copy, write    {bare:8.1f} µs of CPU a row")
    print(f"runner                    {ours:8.1f} µs of CPU a row (target ≤ {TARGET_MICROSECONDS})")
    print(f"ratio                     {ours / bare:8.1f}")
    print(f"peak memory               {megabytes:8.0f} MB (target ≤ {TARGET_MEGABYTES})")
    return verdict(chosen, ours <= TARGET_MICROSECONDS and megabytes <= TARGET_MEGABYTES)


def _write_input(path: Path, rows: int) -> None:
    writer = RowWriter(path)
    for number in range(rows):
        writer.write({"id": f"{number:016x}", "prompt": f"Concepts of row {number}: " + "number theory, " * 12})
    writer.commit()


def _copy(source: Path, target: Path) -> None:
    writer = RowWriter(target)
    for row in read_rows(source):
        writer.write({**row, "completion": "A reply. " * 20})
    writer.commit()


async def _run(source: Path, target: Path) -> None:
    engine = ScriptedEngine(lambda request: Completion("A reply. " * 20, "stop", 50, 40))
    with Output(target, "echo") as output, Journal(target.with_name("out.journal")) as journal:
        await run_stage(Echo(), with_ids(read_rows(source)), engine, LocalRunner(256), output, journal)
        output.commit()


def _microseconds(work: object, rows: int) -> float:
    begun = time.process_time()
    work()  # type: ignore[operator]
    return (time.process_time() - begun) / rows * 1e6


if __name__ == "__main__":
    sys.exit(main())
