"""TRL's GRPO trainer on tokenized prompts, with exact resuming.

Decides what a checkpoint stores in addition: completions that later steps still learn from. TRL generates completions
and computes the loss; `rewarding` computes the rewards.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import send_to_device
from trl import GRPOTrainer

from promptcot.training.data.prompts import Prompts
from promptcot.training.trainer import Guarded


class GrpoTrainer(Guarded, GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer for rows `{"prompt": text, "row": number in prompts}`."""

    def __init__(self, *, prompts: Prompts, **given: Any) -> None:
        self._ids = {row["prompt"]: row["ids"] for row in prompts.rows}
        super().__init__(name_of=prompts.id, **given)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **named: Any) -> Any:
        """The loss of a micro-batch of completions."""
        if model.training:
            answers = int(inputs["completion_mask"].sum())
            self.note(inputs["rows"].tolist(), int(inputs["prompt_mask"].sum()) + answers, answers)
        return super().compute_loss(model, inputs, *args, **named)

    def save_more(self, folder: Path) -> None:
        """If several steps learn from one batch of completions, save it, with the number of steps already done."""
        if self._goes_on_within_a_batch:
            torch.save({"step": self._step, "completions": self._buffered_inputs}, self._rollouts(folder))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None and self._goes_on_within_a_batch:
            kept = torch.load(self._rollouts(Path(checkpoint)), map_location="cpu", weights_only=True)
            self._step = kept["step"]
            self._buffered_inputs = [send_to_device(batch, self.args.device) for batch in kept["completions"]]

    @property
    def _goes_on_within_a_batch(self) -> bool:
        return bool(self.args.steps_per_generation > self.args.gradient_accumulation_steps)

    def _rollouts(self, folder: Path) -> Path:
        return folder / f"rollouts-{self.args.process_index}.pt"

    def _tokenize_prompts(self, prompts: Sequence[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self._ids[prompt] for prompt in prompts], None, {}

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = super()._generate_and_score_completions(inputs)
        rows = torch.tensor([example["row"] for example in inputs], device=self.accelerator.device)
        return {**found, "rows": rows}
