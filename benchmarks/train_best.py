"""Checkpoints chosen by pass@1 or by validation loss, against the last one: students of the nano world.

    python benchmarks/train_best.py [--seeds 1 2 3] [--rows 300] [--steps 180] [--every 20] [--smallest]

The embedded base model learns few traces for several epochs, with the settings of `nano-student`. Rows are texts of the
nano world for a solver, of which a tenth is held out. Each training is measured on its way by both: the loss of the
rows held out, and pass@1 on some problems of the benchmark. Then the last checkpoint and those that either would
choose solve the other problems of the benchmark, with the same seeds. What a checkpoint was chosen by is never worse
than at the last step, which is checked; on other problems it may be. The interval of a difference is that over
problems, which all seeds share.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from _options import Options, verdict
from transformers import AutoModelForCausalLM, AutoTokenizer

from nano.texts import example
from promptcot.core.statistics import estimate
from promptcot.training.best.deciding import CRITERIA, Mark
from promptcot.training.best.evaluation import eval_recipe
from promptcot.training.best.questions import by_problem, graders, questions
from promptcot.training.best.replies import draw
from promptcot.training.recipe import Benchmark, load_train
from promptcot.training.run import train

BENCHMARK, LONGEST = "nano", 400
Solved = Mapping[tuple[str, str], float]


def trained(folder: Path, seed: int, chosen: object) -> dict[str, list[Mark]]:
    """What the evaluations of a training found, by criterion; its checkpoints are all there."""
    rows, size = folder / "rows.jsonl", vars(chosen)
    made = [example("solver", seed, index) for index in range(size["rows"])]
    rows.write_text("".join(json.dumps({"prompt": one.prompt, "completion": one.completion}) + "\n" for one in made))
    watched = {"recipe": BENCHMARK, "every": size["every"], "problems": size["problems"], "max_tokens": LONGEST}
    settings = {
        "seed": seed,
        "data.path": str(rows),
        "data.validation": 0.1,
        "output_dir": str(folder / "out"),
        "schedule.max_steps": size["steps"],
        "schedule.micro_batch": 1,
        "checkpoints": {"every": size["every"], "keep": 1000, "best": "eval"},
        "watch": {"eval": watched, "samples": 0, "log_every": size["every"]},
    }
    train(load_train("nano-student", overrides=settings), print if size["verbose"] else lambda line: None)
    state = json.loads((folder / "out" / f"checkpoint-{size['steps']}" / "trainer_state.json").read_bytes())
    return {name: criterion.marks(state["log_history"]) for name, criterion in CRITERIA.items()}


def solved(model: Path, problems: int, most: int | None) -> Solved:
    """The problems that a checkpoint was not chosen by, and whether the model solves each."""
    recipe = eval_recipe(Benchmark(recipe=BENCHMARK, max_tokens=LONGEST), chat=False)
    tokenizer = AutoTokenizer.from_pretrained(model)
    chosen_by = {one.id for one in questions(recipe, tokenizer, problems)}
    asked = [one for one in questions(recipe, tokenizer) if one.id not in chosen_by][:most]
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    drawn = draw(network, tokenizer, asked, stop=[tokenizer.eos_token_id], together=False, half=False)
    with graders(recipe) as judges:
        return by_problem(recipe, judges, asked, drawn)


def compared(folder: Path, seed: int, chosen: object) -> tuple[dict[str, Solved], bool]:
    """What the last checkpoint and the chosen ones solve, and whether these are as good by what chose them."""
    marks, size = trained(folder, seed, chosen), vars(chosen)
    steps, good = {"last": size["steps"]}, True
    for name, criterion in CRITERIA.items():
        best, last = criterion.best(marks[name]), marks[name][-1]
        assert best is not None
        steps[name] = best.step
        good &= best.value >= last.value if criterion.more_is_better else best.value <= last.value
        print(f"seed {seed}: {criterion.name}: step {best.step}, {criterion.shown(best)}", end="; ")
        print(f"the last, step {last.step}, {criterion.shown(last)}", flush=True)
    most = 2 if size["smallest"] else None
    known = {
        step: solved(folder / "out" / f"checkpoint-{step}", size["problems"], most) for step in set(steps.values())
    }
    return {name: known[step] for name, step in steps.items()}, good


def main() -> int:
    parser = Options(__doc__, seeds=[1], rows=20, steps=2, every=1, problems=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--steps", type=int, default=180)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--problems", type=int, default=60, help="of the benchmark, to choose by")
    parser.add_argument("--verbose", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    runs, right = [], True
    for seed in chosen.seeds:
        with tempfile.TemporaryDirectory() as name:
            os.environ["PROMPTCOT_CACHE"] = f"{name}/cache"
            found, good = compared(Path(name), seed, chosen)
        runs.append(found)
        right &= good
    for which in ("last", *CRITERIA):
        shares = [np.mean([*run[which].values()]) for run in runs]
        problems = runs[0]["last"].keys()
        differences = [np.mean([run[which][one] - run["last"][one] for run in runs]) for one in problems]
        difference = estimate(differences)
        low, high = difference.interval or (0.0, 0.0)
        told = ", ".join(f"{100 * share:.1f}" for share in shares)
        print(f"{which:>10}: {100 * np.mean(shares):.1f} % of {len(problems)} other problems ({told})", end="; ")
        print(f"less the last {100 * (difference.mean or 0):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})")
    print(f"what it was chosen by is never worse than at the last step: {'yes' if right else 'no'}")
    return verdict(chosen, True, right)


if __name__ == "__main__":
    sys.exit(main())
