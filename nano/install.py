"""Puts the trained weights into the package: `python -m nano.install OUT`.

Copies the folders of all trainings and their logs, and removes the logs of trainings that no longer exist. Nothing is
copied unless every training has come to its end and the weights are as small as the package allows.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from nano.fit import finished
from nano.schedule import TRAININGS
from nano.timing import LOG
from promptcot.errors import InputError
from promptcot.storage.atomic import write_whole

FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MODELS = Path(__file__).parents[1] / "src" / "promptcot" / "nano" / "models"
RUNS = Path(__file__).with_name("runs")
MOST_OF_A_FILE, MOST_TOGETHER = 15.0, 25.0
"""Megabytes."""


def main() -> None:
    """Copy weights and logs; nothing at all if one of the trainings cannot be shipped."""
    parser = argparse.ArgumentParser(prog="python -m nano.install", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder of `nano.train`")
    parser.add_argument("--models", type=Path, default=MODELS, help="default: where the package has them")
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the logs; default: nano/runs")
    chosen = parser.parse_args()
    if wrong := list(reasons_against(chosen.out)):
        parser.error("nothing was copied: " + "; ".join(wrong))
    install(chosen.out, chosen.models, chosen.runs)
    print(f"{len(TRAININGS)} roles, {_megabytes(chosen.out):.1f} MB of weights")


def reasons_against(out: Path) -> Iterator[str]:
    """Why the models in `out` cannot be shipped."""
    yield from (reason for name in TRAININGS if (reason := _why_unfinished(out, name)))
    large = [path for path in _weights(out) if path.stat().st_size > MOST_OF_A_FILE * 1e6]
    yield from (f"{path} has more than {MOST_OF_A_FILE:.0f} MB" for path in large)
    if _megabytes(out) > MOST_TOGETHER:
        yield f"all weights together have {_megabytes(out):.1f} MB, more than {MOST_TOGETHER:.0f}"


def _why_unfinished(out: Path, name: str) -> str:
    folder = out / name
    missing = [file for file in (*FILES, "log.jsonl") if not (folder / file).exists()]
    if missing:
        return f"{folder} has no {', '.join(missing)}"
    try:
        ended = finished(TRAININGS[name], out)
    except InputError as error:
        return str(error)
    return "" if ended else f"{folder} has not come to its end: run `python -m nano.train {out}` again"


def install(out: Path, models: Path, runs: Path) -> None:
    """Copy weights and logs, and remove the logs of trainings that no longer exist. After a kill, run it again."""
    for name in TRAININGS:
        for file in FILES:
            write_whole(models / name / file, (out / name / file).read_bytes())
    logs = {f"{name}.jsonl": out / name / "log.jsonl" for name in TRAININGS}
    if (out / LOG).exists():
        logs[LOG] = out / LOG
    for file, log in logs.items():
        write_whole(runs / file, log.read_bytes())
    for path in runs.glob("*.jsonl"):
        if path.name not in logs:
            path.unlink()


def _weights(out: Path) -> list[Path]:
    paths = (out / name / "model.safetensors" for name in TRAININGS)
    return [path for path in paths if path.exists()]


def _megabytes(out: Path) -> float:
    return sum(path.stat().st_size for path in _weights(out)) / 1e6


if __name__ == "__main__":
    main()
