"""Which models are trained, from what, on how many tokens, and what runs at the same time.

Data only; `fit` does one training, `train` runs the waves. The solver is the trunk: every other role but `base` starts
from its weights, since all of them have to calculate. The learning rate follows the tokens, so that a slower machine
takes longer and gets about the same weights: from the same texts in the same order, but not with the same rounding.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """One model: `texts` is the role whose texts it learns, `start` the training whose weights it begins with.

    `tokens` counts prompts and completions without padding. `rate` is the peak learning rate. A prompt token weighs
    `prompt_weight` in the loss, a token of the completion 1. `natural` is the share of texts that come from the
    trained generator, with its own mistakes. The weights at the fraction `early` of the training are kept too, in
    `NAME-early`. A training is looked at `checks` times, the end included; with 0 its weights are only saved then.
    """

    name: str
    texts: str
    tokens: float
    start: str | None = None
    rate: float = 3e-3
    threads: int = 1
    prompt_weight: float = 0.0
    natural: float = 0.0
    early: float | None = None
    checks: int = 5
    qwen: bool = False
    seed: int = 1


SOLVER = Training("solver", "solver", 26e6, rate=4e-3, threads=2)
GENERATOR = Training("generator", "generator", 7.5e6, start="solver", early=0.55)
VERIFIER = Training("verifier", "verifier", 14e6, start="solver", natural=0.5)
JUDGE_A = Training("judge-a", "judge-a", 20e6, start="solver", natural=0.35, prompt_weight=0.1)
JUDGE_B = Training("judge-b", "judge-b", 14e6, start="solver", natural=0.35, prompt_weight=0.1, qwen=True)
ANNOTATOR = Training("annotator", "annotator", 5e6, start="solver")
BASE = Training("base", "solver", 4e6, seed=11)

WAVES: tuple[tuple[Training, ...], ...] = (
    (SOLVER,),
    (GENERATOR, BASE, ANNOTATOR),
    (JUDGE_A, VERIFIER, JUDGE_B),
)
"""Trainings of a wave run side by side, two at a time; each needs only what the waves before it made."""

TRAININGS = {training.name: training for wave in WAVES for training in wave}
