"""A run of TRL's GRPO on the nano solver with our reward, which goes on where it was killed.

    python tests/integration/training/grpo.py FOLDER [STEPS]

The log is in `trainer_state.json` of each checkpoint; `reason/right` and the others are shares of the replies.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

from promptcot.nano import files
from promptcot.rewards.trl import Reward
from promptcot.storage.rows import read_rows


def trainer(folder: Path, steps: int, golds: list[Any] | None = None, **options: Any) -> GRPOTrainer:
    """Four replies to each of two problems a step; a checkpoint after each step. `golds` replace those of the rows."""
    torch.set_num_threads(1)
    rows = list(islice(read_rows(files.benchmark_path()), 16))
    golds = golds or [row["reference_solution"].rpartition("#### ")[2] for row in rows]
    data = Dataset.from_dict({"prompt": [row["prompt"] for row in rows], "answer": golds})
    settings = GRPOConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=8,
        num_generations=4,
        max_completion_length=160,
        learning_rate=1e-5,
        logging_steps=1,
        save_steps=1,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        seed=1,
    )
    solver = files.path("solver")
    return GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(solver),
        reward_funcs=Reward(**options),
        args=settings,
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(solver),
    )


def main(folder: Path, steps: int = 20) -> None:
    """Run to the end, from the last checkpoint if there is one."""
    last = max(folder.glob("checkpoint-*/trainer_state.json"), key=step_of, default=None)
    trainer(folder, steps).train(resume_from_checkpoint=None if last is None else str(last.parent))
    print("went on after step", 0 if last is None else step_of(last))


def step_of(state: Path) -> int:
    """The step of a checkpoint, by the file in it that is written last."""
    return int(state.parent.name.removeprefix("checkpoint-"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
