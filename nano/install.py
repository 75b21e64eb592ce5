"""Puts the trained weights into the package: `python -m nano.install OUT`.

Copies the folders of the shipped roles and the logs of their trainings.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from nano.schedule import TRAININGS

ROLES = ("annotator", "base", "generator", "judge-a", "judge-b", "solver", "verifier")
FILES = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
MODELS = Path(__file__).parents[1] / "src" / "promptcot" / "nano" / "models"
RUNS = Path(__file__).with_name("runs")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nano.install", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder of `nano.train`")
    out = parser.parse_args().out
    for role in ROLES:
        (MODELS / role).mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(out / role / name, MODELS / role / name)
    for name in TRAININGS:
        shutil.copyfile(out / name / "log.jsonl", RUNS / f"{name}.jsonl")
    megabytes = sum(path.stat().st_size for path in MODELS.rglob("*.safetensors")) / 1e6
    print(f"{len(ROLES)} roles, {megabytes:.1f} MB of weights")


if __name__ == "__main__":
    main()
