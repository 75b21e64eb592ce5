"""TRL's DPO trainer on tokenized pairs, with the reference model's log-probabilities cached on disk.

Decides where the cache is and what its key is; TRL computes the log-probabilities and the loss. With adapters, the
reference is the model without them.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from trl import DPOTrainer
from trl.models import prepare_deepspeed
from trl.trainer.dpo_trainer import DataCollatorForPreference

from promptcot.storage.atomic import write_whole
from promptcot.training.data.collating import dataset_of
from promptcot.training.data.pairs import Pairs
from promptcot.training.trainer import Guarded

Reference = NDArray[np.float32]
"""The log-probabilities of both sides, of shape (2, pairs)."""

_SECONDS = 30.0  # seconds between two lines on the progress of the reference
_REFERENCE = ("ref_chosen_logps", "ref_rejected_logps")


class PairCollator:
    """Builds batches, like TRL's collator, from examples `{"rows": [number of a pair]}`.

    `reference` are the reference's log-probabilities, of shape (2, pairs), once they are known.
    """

    def __init__(self, pairs: Pairs, pad_id: int) -> None:
        self.pairs = pairs
        self.reference: torch.Tensor | None = None
        self._collate = DataCollatorForPreference(pad_token_id=pad_id)

    def __call__(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        numbers = [int(number) for example in examples for number in example["rows"]]
        return {**self._collate([self._example(number) for number in numbers]), "rows": torch.tensor(numbers)}

    def _example(self, number: int) -> dict[str, Any]:
        known = {} if self.reference is None else dict(zip(_REFERENCE, self.reference[:, number].tolist(), strict=True))
        return {**self.pairs.ids(number), **known}


class DpoTrainer(Guarded, DPOTrainer):  # type: ignore[misc]
    """DPOTrainer for batches of a `PairCollator`. `kept` are the cache files of the reference, by "train" and "eval".

    `say` receives the progress of the reference.
    """

    def __init__(
        self, *, kept: dict[str, Path], say: Callable[[str], None], data_collator: PairCollator, **given: Any
    ) -> None:
        self._kept, self._say = kept, say
        super().__init__(name_of=data_collator.pairs.id, data_collator=data_collator, **given)

    def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **named: Any) -> torch.Tensor:
        """Forward and backward pass of one micro-batch. Raises Diverged if its loss is not finite."""
        tokens, answers = inputs["attention_mask"].sum(), inputs["completion_mask"].sum()
        self.note(inputs["rows"].tolist(), int(tokens), int(answers))
        return super().training_step(model, inputs, *args, **named)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **named: Any) -> Any:
        """The loss of a batch, without the pair numbers, which are not a model input."""
        return super().compute_loss(model, _without_rows(inputs), *args, **named)

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        """The reference's log-probabilities of a batch."""
        return super().compute_ref_log_probs(model, _without_rows(inputs))

    def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
        return dataset  # the rows are numbers of pairs, whose tokens are already known

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        """Replaces TRL's computation, which would process a pair once per epoch and discard the result at the end."""
        collator = self._eval_collator if name == "eval" else self.data_collator
        [found] = broadcast_object_list([_read(self._kept[name], len(collator.pairs))])
        if found is None:
            found = self._ask_reference(collator, batch_size)
            if self.is_world_process_zero():
                _write(self._kept[name], found)
        collator.reference = torch.from_numpy(found)
        return dataset

    def _ask_reference(self, collator: PairCollator, batch_size: int) -> Reference:
        """Each pair once, the longest first; each of several processes computes a part."""
        pairs = collator.pairs
        longest_first = np.argsort(-pairs.lengths.reshape(2, -1).max(axis=0), kind="stable")
        loader = DataLoader(dataset_of(list(longest_first[:, None])), batch_size, collate_fn=collator)
        alone = not self.is_deepspeed_enabled
        model = self.model if alone else prepare_deepspeed(self.model, self.accelerator)
        found, done, reported = np.zeros((2, len(pairs)), np.float32), 0, time.monotonic()
        for batch in self.accelerator.prepare(loader):
            said = (*self.compute_ref_log_probs(model, batch), batch["rows"])
            chosen, rejected, rows = (part.cpu().numpy() for part in self.accelerator.gather_for_metrics(said))
            found[:, rows] = chosen, rejected
            done += len(rows)
            if time.monotonic() - reported > _SECONDS:
                self._say(f"reference: {done:,} of {len(pairs):,} pairs")
                reported = time.monotonic()
        return found


def _without_rows(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name != "rows"}


def _read(path: Path, pairs: int) -> Reference | None:
    """The cached log-probabilities; None if there are none, or the file is damaged."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    whole = isinstance(found, np.ndarray) and found.shape == (2, pairs) and bool(np.isfinite(found).all())
    return found.astype(np.float32) if whole else None


def _write(path: Path, found: Reference) -> None:
    content = io.BytesIO()
    np.save(content, found, allow_pickle=False)
    write_whole(path, content.getvalue())
