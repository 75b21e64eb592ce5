"""Samples replies from the model in training, through the running batch of the embedded engine.

The replies equal those of `promptcot eval` with the same weights in the same number type: the reply to a question
depends on its seed alone, not on the other questions or on the number of processes. Sampling does not affect the
training: no gradients, no dropout, and torch's random state is untouched. Under ZeRO-3 each forward pass gathers
weights from all processes, so all processes must run equally many; a process without questions left runs dummy passes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from promptcot.engines.local.batching import Batch, Draft
from promptcot.engines.local.model import LoadedModel
from promptcot.engines.machine import memory_free
from promptcot.records import Sampling
from promptcot.training.best.questions import Question, Reply
from promptcot.training.report.samples import able_to_generate

_AT_ONCE = 256
_AT_ONCE_ON_CPU = 32
_SHARE_OF_MEMORY = 0.5  # of the memory that the training leaves free
_SHARE_ON_CPU = 0.1
_PREFILL_TOKENS = 8192
_PASSES_BETWEEN_JOINS = 8


@dataclass(eq=False, kw_only=True)
class _Drawn(Draft):
    """A reply in progress, to the question with this number."""

    number: int
    limit: int


def draw(
    model: Any, tokenizer: Any, asked: Sequence[Question], *, stop: Sequence[int], together: bool, half: bool
) -> list[Reply]:
    """The replies to these questions, in their order.

    With `together`, all processes of the group must call it, each with its own questions. With `half`, a GPU computes
    in bfloat16, as in the training. The train/eval mode of the model is restored.
    """
    network = model.get_base_model() if hasattr(model, "get_base_model") else model  # its forward lists its arguments
    device = next(network.parameters()).device
    context = getattr(network.config, "max_position_embeddings", None) or 1 << 31
    loaded = LoadedModel("student", network, tokenizer, Path("student"), context, frozenset(stop), device)
    computed = torch.autocast(device.type, torch.bfloat16, enabled=half and _on_gpu(device))
    with able_to_generate(network), torch.no_grad(), computed:
        return _Drawing(loaded, asked, together).run()


class _Drawing:
    """The waiting questions, those in the batch, and the finished replies."""

    def __init__(self, model: LoadedModel, asked: Sequence[Question], together: bool) -> None:
        at_once, share = (_AT_ONCE, _SHARE_OF_MEMORY) if _on_gpu(model.device) else (_AT_ONCE_ON_CPU, _SHARE_ON_CPU)
        self._model, self._codec, self._together = model, model.codec(), together
        self._batch = Batch(model, at_once, int(_memory(model.device) * share))
        self._replies: list[Reply | None] = [None] * len(asked)
        limits = [min(one.sampling.max_tokens, model.context - len(one.ids)) for one in asked]
        self._waiting: deque[_Drawn] = deque()
        self._passes = 0
        for number, (one, limit) in enumerate(zip(asked, limits, strict=True)):
            if limit < 1:
                self._replies[number] = Reply("", cut_off=True)
            else:
                self._waiting.append(_Drawn(one.ids, one.sampling, one.seed, number=number, limit=limit))

    def run(self) -> list[Reply]:
        while self._any_left():
            self._pass()
        return [reply for reply in self._replies if reply is not None]

    def _any_left(self) -> bool:
        left = bool(self._waiting) or bool(len(self._batch))
        if not self._together:
            return left
        known = torch.tensor([int(left)], device=self._model.device)
        torch.distributed.all_reduce(known, torch.distributed.ReduceOp.MAX)
        return bool(known)

    def _pass(self) -> None:
        """One forward pass: new questions join, or every reply grows by a token."""
        if surplus := self._batch.surplus() if len(self._batch) else []:
            self._waiting.extendleft(reversed([self._drafts()[row] for row in surplus]))
            self._batch.leave(surplus)
        self._passes += 1
        if joining := self._joining():
            present = len(self._batch)
            self._take(present, self._batch.join(joining))
        elif len(self._batch):
            self._take(0, self._batch.step())
        else:
            self._batch.join([Draft([0], Sampling(temperature=0), 0)])
            self._batch.leave([0])

    def _drafts(self) -> Sequence[_Drawn]:
        return self._batch.drafts  # type: ignore[return-value]

    def _joining(self) -> list[_Drawn]:
        """Waiting questions, as many as slots, memory and one pass allow."""
        joining: list[_Drawn] = []
        due = not len(self._batch) or self._passes % _PASSES_BETWEEN_JOINS == 0
        while due and self._waiting:
            lengths = [len(draft.tokens) for draft in (*joining, self._waiting[0])]
            if (joining and max(lengths) * len(lengths) > _PREFILL_TOKENS) or not self._batch.fits(lengths):
                break
            joining.append(self._waiting.popleft())
        return joining

    def _take(self, first: int, drawn: list[tuple[int, bool]]) -> None:
        """Record the tokens drawn by rows from `first` on, and remove the finished ones."""
        done = []
        for row, (token, fit) in enumerate(drawn, first):
            draft = self._drafts()[row]
            if not fit:
                self._batch.forget(row)  # its logits are not finite, so the reply ends before this token
            reply = self._ended(draft, token) if fit else Reply(self._codec.decode(draft.drawn), cut_off=True)
            if reply is not None:
                self._replies[draft.number] = reply
                done.append(row)
        if done:
            self._batch.leave(done)

    def _ended(self, draft: _Drawn, token: int) -> Reply | None:
        """The reply, if this token ends it."""
        draft.drawn.append(token)
        if token in self._model.stop_ids:
            return Reply(self._codec.decode(draft.drawn[:-1]), cut_off=False)
        if draft.sampling.stop and (cut := self._codec.cut(draft.drawn, draft.sampling.stop)) is not None:
            return Reply(cut, cut_off=False)
        return Reply(self._codec.decode(draft.drawn), cut_off=True) if len(draft.drawn) >= draft.limit else None


def _on_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


def _memory(device: torch.device) -> int:
    """Bytes: the free memory of the GPU beside the training, or of the machine."""
    if not _on_gpu(device):
        return memory_free()
    torch.cuda.empty_cache()
    return int(torch.cuda.mem_get_info(device)[0])
