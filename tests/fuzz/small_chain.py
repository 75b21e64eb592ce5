"""`promptcot run CHAIN` with three steps that take a second, instead of training.

python small_chain.py SERVER [arguments of promptcot]
"""

import sys
from pathlib import Path

from promptcot.chains.steps import Step, step
from promptcot.cli import program, run_chain


def steps(directory: Path, server: str) -> list[Step]:
    """A step that asks, one that reads what that one wrote, and one that asks nobody and is always due."""
    written, judged, rows = (directory / f"{name}.jsonl" for name in ("written", "judged", "rows"))
    asked = {"--base-url": server, "--model_path": "calm"}
    generate = {"--data_path": "asks.jsonl", "--output_path": written, **asked}
    judge = {"--data_path": written, "--output_path": judged, "--prompts": "nano", **asked}
    train_rows = {"--data_path": "annotated.jsonl", "--output_path": rows, "--prompts": "nano"}
    return [
        step("write", ["generate", generate], written),
        step("judge", ["judge", judge], judged, written),
        step("rows", ["train-rows", train_rows], rows, always=True),
    ]


if __name__ == "__main__":
    server = sys.argv[1]
    run_chain.distill_steps = lambda recipe, directory: steps(directory, server)
    run_chain.need_packages = lambda: None
    sys.exit(program(sys.argv[2:]))
