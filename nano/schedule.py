"""Which models are trained, from what, on how many tokens, and what runs at the same time.

Data only; `fit` does one training, `train` runs the waves. The numbers of tokens fill about 90 minutes on two cores of
2024; the learning rate follows the tokens, so that a slower machine takes longer and gets the same weights.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """One model: `texts` is the role whose texts it learns, `start` the training whose weights it begins with.

    `tokens` counts prompts and completions without padding. `rate` is the peak learning rate. A prompt token weighs
    `prompt_weight` in the loss, a token of the completion 1. `natural` is the share of texts that come from the
    trained generator, with its own mistakes. The weights at the fractions `keep` of the training are saved too.
    """

    name: str
    texts: str
    tokens: float
    start: str | None = None
    rate: float = 2e-3
    threads: int = 1
    prompt_weight: float = 0.0
    natural: float = 0.0
    keep: tuple[float, ...] = ()
    qwen: bool = False
    seed: int = 1


TRUNK = Training("trunk", "trunk", 36e6, rate=4e-3, threads=2, prompt_weight=0.1)
GENERATOR = Training("generator", "generator", 4e6, start="trunk", rate=1.5e-3, keep=(0.25,))
SOLVER = Training("solver", "solver", 8e6, start="trunk")
JUDGE_A = Training("judge-a", "judge-a", 9e6, start="solver", natural=0.35)
JUDGE_B = Training("judge-b", "judge-b", 9e6, start="trunk", natural=0.35, qwen=True)
VERIFIER = Training("verifier", "verifier", 8e6, start="solver")
ANNOTATOR = Training("annotator", "annotator", 3e6, start="trunk")
BASE = Training("base", "solver", 2.5e6, rate=3e-3, seed=11)

WAVES: tuple[tuple[Training, ...], ...] = (
    (TRUNK,),
    (GENERATOR, SOLVER),
    (JUDGE_A, JUDGE_B),
    (VERIFIER, ANNOTATOR, BASE),
)
"""Trainings of a wave run side by side, two at a time; each needs only what the waves before it made."""

TRAININGS = {training.name: training for wave in WAVES for training in wave}
