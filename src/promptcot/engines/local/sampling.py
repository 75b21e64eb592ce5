"""Sampling in the embedded engine: the same seed gives the same tokens, whatever else is in the batch.

A token is drawn by the Gumbel-max trick: argmax(log p + G), with G from a hash of (seed, step, token) instead of a
stateful generator, so a row's noise depends on nothing but the row. Penalties, temperature, min-p, top-k and top-p are
applied in the order, and with the definitions, of vLLM. All rows of a batch are drawn at once; the batch decides which
rows these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from promptcot.records import Sampling

_TWO_31 = 2.0**31
_BELOW_ONE = 1.0 - 2.0**-24


@dataclass
class Settings:
    """The sampling settings of each row; all fields are tensors of shape (rows,)."""

    temperature: Tensor
    top_p: Tensor
    penalty: Tensor
    presence: Tensor
    top_k: Tensor
    min_p: Tensor
    seed_low: Tensor
    seed_high: Tensor

    @classmethod
    def of(cls, asked: Sequence[tuple[Sampling, int]], device: torch.device) -> Self:
        """The settings of rows with these (sampling, seed); a seed is taken modulo 2**64."""
        samplings = [sampling for sampling, _ in asked]
        seeds = [seed for _, seed in asked]

        def reals(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        def words(values: list[int]) -> Tensor:
            return torch.tensor(values, dtype=torch.int64, device=device).to(torch.int32)

        return cls(
            temperature=reals([sampling.temperature for sampling in samplings]),
            top_p=reals([sampling.top_p for sampling in samplings]),
            penalty=reals([sampling.repetition_penalty for sampling in samplings]),
            presence=reals([sampling.presence_penalty or 0.0 for sampling in samplings]),
            top_k=torch.tensor([sampling.top_k or 0 for sampling in samplings], dtype=torch.int64, device=device),
            min_p=reals([sampling.min_p or 0.0 for sampling in samplings]),
            seed_low=words([seed & 0xFFFFFFFF for seed in seeds]),
            seed_high=words([seed >> 32 & 0xFFFFFFFF for seed in seeds]),
        )

    def select(self, rows: Tensor) -> Self:
        """The settings of some rows, by index."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def join(self, others: Self) -> Self:
        """These rows, then the others."""
        pairs = ((getattr(self, field.name), getattr(others, field.name)) for field in fields(self))
        return type(self)(*(torch.cat(pair) for pair in pairs))


def choose(
    logits: Tensor, settings: Settings, steps: Tensor, seen: Tensor | None = None, written: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The next token of each row, and whether its logits were finite.

    `logits` is (rows, vocabulary) in any float type; `steps` (rows,) counts the tokens drawn before; `seen` (rows,
    vocabulary) marks tokens of prompt and completion and is needed for a repetition penalty other than 1, `written`
    those of the completion alone, for a presence penalty.
    """
    scores = logits.float()
    if seen is not None:
        scores = penalise(scores, seen, settings.penalty)
    if written is not None:
        scores = scores - settings.presence.unsqueeze(1) * written
    drawn = settings.temperature > 0
    scores = scores / settings.temperature.where(drawn, 1.0).unsqueeze(1)
    noisy = scores = likeliest(scores, settings.top_k, settings.min_p)
    if bool(drawn.any()):
        noise = gumbel(settings.seed_low, settings.seed_high, steps, scores.shape[1])
        noisy = torch.addcmul(scores, noise, drawn.float().unsqueeze(1))
    # argmax treats NaN and infinity as the largest value, so checking the winner is enough.
    tokens = noisy.argmax(dim=1)
    fit = scores.gather(1, tokens.unsqueeze(1)).squeeze(1).isfinite()
    if bool((drawn & (settings.top_p < 1)).any()):
        tokens = into_nucleus(tokens, noisy, scores.softmax(dim=1), settings.top_p)
    return tokens, fit


def penalise(scores: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Divide positive scores of seen tokens by the row's penalty, multiply negative ones (Keskar et al. 2019, 4.1)."""
    factor = penalty.unsqueeze(1)
    return torch.where(seen, torch.where(scores > 0, scores / factor, scores * factor), scores)


def likeliest(scores: Tensor, top_k: Tensor, min_p: Tensor) -> Tensor:
    """Scores with -inf for tokens outside the row's `top_k` (0 means all), and for those less likely than `min_p` times
    the likeliest. Tokens that tie with the last of the top k stay, as in vLLM.
    """
    if bool((min_p > 0).any()):
        least = scores.amax(dim=1) + min_p.log()
        scores = scores.masked_fill(scores < least.unsqueeze(1), -torch.inf)
    if bool((top_k > 0).any()):
        wanted = top_k.clamp(max=scores.shape[1])
        best = scores.topk(int(wanted.max()), dim=1).values
        least = best.gather(1, (wanted - 1).clamp(min=0).unsqueeze(1))
        scores = scores.masked_fill((scores < least) & (wanted > 0).unsqueeze(1), -torch.inf)
    return scores


def into_nucleus(tokens: Tensor, noisy: Tensor, probabilities: Tensor, top_p: Tensor) -> Tensor:
    """Draw again, without sorting, if a token lies outside the nucleus.

    A token belongs to the nucleus when the total probability of more likely tokens is below `top_p`. A token outside is
    removed with all that are no more likely, since none of them can belong, and the best of the rest is drawn.
    """
    while True:
        reached = probabilities.gather(1, tokens.unsqueeze(1))
        above = torch.where(probabilities > reached, probabilities, 0.0).sum(dim=1)
        outside = (above >= top_p) & (above > 0)
        if not bool(outside.any()):
            return tokens
        noisy = noisy.masked_fill(outside.unsqueeze(1) & (probabilities <= reached), -torch.inf)
        tokens = noisy.argmax(dim=1)


def gumbel(seed_low: Tensor, seed_high: Tensor, steps: Tensor, vocabulary: int) -> Tensor:
    """Standard Gumbel noise, (rows, vocabulary) float32: a pure function of seed, step and token."""
    low, high, step = (part.to(torch.int32) for part in (seed_low, seed_high, steps))
    first = _mix(_mix(low) + step * 0x2C1B3C6D)
    second = _mix(_mix(low ^ 0x297A2D39) + _mix(high + step))
    tokens = _mix(torch.arange(vocabulary, dtype=torch.int32, device=low.device))
    bits = _mix(tokens.unsqueeze(0) + first.unsqueeze(1)) ^ second.unsqueeze(1)
    # Small values must be fine-grained: they are the large Gumbels, which win.
    uniform = (bits & 0x7FFFFFFF).float().add_(0.5).div_(_TWO_31).clamp_(max=_BELOW_ONE)
    return uniform.neg_().log1p_().neg_().log_().neg_()


def _mix(words: Tensor) -> Tensor:
    """Scramble 32-bit words: xor-shift and multiply, with constants found by a search for low bias (Wellons 2018)."""
    words = words ^ (words >> 16 & 0xFFFF)
    words = words * 0x7FEB352D
    words = words ^ (words >> 15 & 0x1FFFF)
    words = words * (0x846CA68B - (1 << 32))
    return words ^ (words >> 16 & 0xFFFF)
