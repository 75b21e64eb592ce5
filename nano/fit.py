"""One training, which can be stopped at any time and goes on where it was.

The state is written at the end of a load of texts, so that the same texts follow in the same order: a training that was
stopped ends with the weights of one that was not. A folder belongs to the settings that its log begins with. Which
trainings there are is left to `schedule`.
"""

from __future__ import annotations

import io
import json
import math
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nano import logs
from nano.copycheck import check
from nano.models import begin_from, build, loss_of, save, vocabulary
from nano.packing import Batch, Shape, Source, loads
from nano.schedule import Training
from promptcot.errors import InputError
from promptcot.storage.atomic import locked, write_json, write_whole

SHAPE_TOKENS, LONGEST = 2560, 640
STATE_SECONDS = 120


@dataclass
class State:
    """How far a training has come."""

    load: int = 0
    step: int = 0
    tokens: int = 0
    seconds: float = 0.0


def fit(training: Training, out: Path, source: Source) -> None:
    """Train until the tokens of `training` are learnt; the folder `out/NAME` holds weights, log and state.

    Raises LockedError while another process trains there, and InputError where it was begun with other settings.
    """
    folder = out / training.name
    with locked(folder / ".lock"):
        if (folder / "state.pt").exists():
            _check_settings(training, folder)
        _begin(training, out).run(source)


def _begin(training: Training, out: Path) -> _Fit:
    """The training as it was left, or from its first step."""
    torch.set_num_threads(training.threads)
    tokenizer = vocabulary()
    model = _begun(training, out, tokenizer)
    # on these short rows the plain kernel takes two thirds of the time of the fused one on a CPU
    model.set_attn_implementation("eager")
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=training.rate, betas=(0.9, 0.98), weight_decay=0.02, fused=True
    )
    return _Fit(training, out / training.name, tokenizer, model, optimizer)


def finished(training: Training, out: Path) -> bool:
    """Whether a training has come to its end. Raises InputError where it was begun with other settings."""
    folder = out / training.name
    if not (folder / "state.json").exists():
        return False
    _check_settings(training, folder)
    tokens: float = json.loads((folder / "state.json").read_text())["tokens"]
    return tokens >= training.tokens


def _check_settings(training: Training, folder: Path) -> None:
    """Raises InputError where the log in `folder` says that it was begun with other settings."""
    log = folder / "log.jsonl"
    heads = [line["training"] for line in logs.read(log) if "training" in line] if log.exists() else []
    begun, asked = heads[-1] if heads else {}, asdict(training)
    other = [f"{name} {begun.get(name)}, not {value}" for name, value in asked.items() if begun.get(name) != value]
    if other:
        raise InputError(
            f"{folder}: was begun with other settings ({', '.join(other)}): train into another folder, or remove this "
            "one to begin anew"
        )


def rate(progress: float, step: int, peak: float, warm_up: int) -> float:
    """Linear warm-up over steps, then half a cosine over `progress` (0 to 1) to 1 % of the peak."""
    cosine = 0.01 + 0.99 * (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return peak * cosine * min(1.0, (step + 1) / warm_up)


def _begun(training: Training, out: Path, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    torch.manual_seed(training.seed)  # noqa: TID251 — transformers draws initial weights from the global generator
    if training.start is None:
        return build(tokenizer, training.qwen)
    return begin_from(out / training.start, tokenizer, training.qwen)


class _Fit:
    """The loop, with its log, looks and states."""

    def __init__(
        self,
        training: Training,
        folder: Path,
        tokenizer: PreTrainedTokenizerBase,
        model: PreTrainedModel,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self.training, self.folder, self.tokenizer = training, folder, tokenizer
        self.model, self.optimizer = model, optimizer
        self.state = self._restored()
        self._began = time.monotonic() - self.state.seconds
        self._stored = time.monotonic()

    def run(self, source: Source) -> None:
        self._log(parameters=self.model.num_parameters(), training=asdict(self.training))
        shape = Shape(SHAPE_TOKENS, LONGEST, self.training.prompt_weight)
        checks = max(self.training.checks, 1)  # the end is always a mark: the weights are saved there
        marks = sorted({self.training.early or 1, *(part / checks for part in range(1, checks + 1))})
        ahead = [mark for mark in marks if mark > self._progress]
        with closing(loads(self.tokenizer, source, shape, self.state.load)) as texts:
            while self._progress < 1:
                self._learn(next(texts))
                if passed := [mark for mark in ahead if self._progress >= mark]:
                    ahead = ahead[len(passed) :]
                    self._look(self.training.early in passed)
                if time.monotonic() - self._stored > STATE_SECONDS:
                    self._store()
        self._store()

    @property
    def _progress(self) -> float:
        return self.state.tokens / self.training.tokens

    def _learn(self, batches: list[Batch]) -> None:
        """One load, or what is still to be learnt of it."""
        for batch in batches:
            if self._progress < 1:
                self._step(batch)
        self.state.load += 1

    def _step(self, batch: Batch) -> None:
        warm_up = 150 if self.training.start is None else 40
        self.optimizer.param_groups[0]["lr"] = rate(self._progress, self.state.step, self.training.rate, warm_up)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(self.model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.state.step += 1
        self.state.tokens += batch.real_tokens
        if self.state.step % 100 == 0:
            self._log(loss=round(loss.item(), 4))

    def _look(self, early_too: bool) -> None:
        """Save the weights and, where checks are wanted, see what they can do already."""
        save(self.model, self.tokenizer, self.folder)
        if early_too:
            early = self.folder.with_name(f"{self.training.name}-early")
            early.mkdir(exist_ok=True)
            save(self.model, self.tokenizer, early)
        if self.training.checks:
            self._log(**check(self.model, self.tokenizer, self.training.texts))

    def _log(self, **values: Any) -> None:
        self.state.seconds = time.monotonic() - self._began
        values = {"step": self.state.step, "tokens": self.state.tokens, **values, "seconds": round(self.state.seconds)}
        line = logs.append(self.folder / "log.jsonl", values)
        print(f"{self.training.name}: {line}", flush=True)

    def _store(self) -> None:
        """Write the state that a later start goes on from; `state.json` is for readers."""
        self.state.seconds = time.monotonic() - self._began
        content = io.BytesIO()
        torch.save(
            {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), **asdict(self.state)}, content
        )
        write_whole(self.folder / "state.pt", content.getvalue())
        write_json(self.folder / "state.json", asdict(self.state))
        self._stored = time.monotonic()

    def _restored(self) -> State:
        path = self.folder / "state.pt"
        if not path.exists():
            return State()
        stored = torch.load(path)
        self.model.load_state_dict(stored.pop("model"))
        self.optimizer.load_state_dict(stored.pop("optimizer"))
        return State(**stored)
