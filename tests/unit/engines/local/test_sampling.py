"""Sampling tokens: correct distribution, definitions of top-p and penalty, noise that depends on the row only."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from promptcot.engines.local.sampling import Settings, choose, gumbel
from promptcot.records import Sampling

CPU = torch.device("cpu")
LOGITS = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0, -3.0])


def settings(rows: int, first_seed: int = 0, **sampling: float) -> Settings:
    return Settings.of([(Sampling(**sampling), first_seed + row) for row in range(rows)], CPU)


def draw(logits: torch.Tensor, drawing: Settings, steps: torch.Tensor | None = None, seen: torch.Tensor | None = None):
    rows = len(drawing.seed_low)
    table = logits.expand(rows, -1)
    return choose(table, drawing, torch.zeros(rows, dtype=torch.int64) if steps is None else steps, seen)[0]


def p_value(tokens: torch.Tensor, probabilities: torch.Tensor) -> float:
    counts = torch.bincount(tokens, minlength=len(probabilities)).double()
    possible = probabilities > 0
    assert counts[~possible].sum() == 0
    expected = probabilities[possible].double() / probabilities.double().sum() * counts.sum()
    return float(scipy.stats.chisquare(counts[possible].numpy(), expected.numpy()).pvalue)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_over_many_seeds_follow_the_softmax(temperature: float) -> None:
    tokens = draw(LOGITS, settings(50_000, temperature=temperature))
    assert p_value(tokens, (LOGITS / temperature).softmax(0)) > 1e-3


def test_tokens_over_the_steps_of_one_seed_follow_the_softmax() -> None:
    drawing = Settings.of([(Sampling(), 7)] * 50_000, CPU)
    tokens = draw(LOGITS, drawing, torch.arange(50_000))
    assert p_value(tokens, LOGITS.softmax(0)) > 1e-3


def test_successive_tokens_of_one_seed_are_independent() -> None:
    drawing = Settings.of([(Sampling(), 11)] * 60_001, CPU)
    tokens = draw(LOGITS[:3], drawing, torch.arange(60_001)).numpy()
    pairs = np.histogram2d(tokens[:-1], tokens[1:], bins=3)[0]
    assert scipy.stats.chi2_contingency(pairs).pvalue > 1e-3


def test_noise_is_standard_gumbel() -> None:
    noise = gumbel(*(torch.tensor([part]) for part in (3, 0, 5)), 100_000).flatten().double().numpy()
    assert scipy.stats.kstest(noise, "gumbel_r").pvalue > 1e-3
    assert np.isfinite(noise).all()


def test_noise_of_different_seeds_steps_and_high_words_differs() -> None:
    one = gumbel(torch.tensor([1, 2, 1, 1]), torch.tensor([0, 0, 1, 0]), torch.tensor([0, 0, 0, 1]), 64)
    assert len({tuple(row.tolist()) for row in one}) == 4


@given(st.integers(0, 2**64 - 1), st.integers(0, 10_000), st.integers(0, 6))
def test_a_row_draws_the_same_alone_and_among_others(seed: int, step: int, place: int) -> None:
    alone = draw(LOGITS, Settings.of([(Sampling(top_p=0.9), seed)], CPU), torch.tensor([step]))
    asked = [(Sampling(temperature=0.3 * other, top_p=0.5), other) for other in range(7)]
    asked[place] = (Sampling(top_p=0.9), seed)
    steps = torch.arange(7)
    steps[place] = step
    assert draw(LOGITS, Settings.of(asked, CPU), steps)[place] == alone[0]


def nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """The nucleus by its definition: the most likely tokens, up to and with the one that reaches `top_p`."""
    probabilities = logits.softmax(0)
    kept = torch.zeros_like(probabilities)
    total = 0.0
    for token in probabilities.argsort(descending=True):
        if total >= top_p:
            break
        kept[token] = probabilities[token]
        total += float(probabilities[token])
    return kept


@pytest.mark.parametrize("top_p", [0.05, 0.6, 0.8, 0.95])
def test_top_p_draws_from_the_smallest_set_that_reaches_it(top_p: float) -> None:
    tokens = draw(LOGITS, settings(20_000, top_p=top_p))
    kept = nucleus(LOGITS, top_p)
    if int((kept > 0).sum()) == 1:
        assert (tokens == kept.argmax()).all()
    else:
        assert p_value(tokens, kept) > 1e-3


def test_top_p_looks_at_probabilities_after_temperature() -> None:
    tokens = draw(LOGITS, settings(5_000, temperature=3.0, top_p=0.8))
    assert set(tokens.tolist()) == set(nucleus(LOGITS / 3.0, 0.8).nonzero().flatten().tolist())


def test_temperature_zero_is_greedy_whatever_top_p_says() -> None:
    logits = torch.randn(40, 200, generator=torch.Generator().manual_seed(0))
    tokens, fit = choose(logits, settings(40, temperature=0.0, top_p=0.1), torch.zeros(40, dtype=torch.int64))
    assert torch.equal(tokens, logits.argmax(dim=1))
    assert fit.all()


def test_penalty_divides_positive_and_multiplies_negative_scores_of_seen_tokens_only() -> None:
    logits = torch.tensor([2.0, 1.5, -1.0, -1.5])
    seen = torch.tensor([[True, False, True, False]])
    tokens = draw(logits, settings(1, temperature=0.0, repetition_penalty=2.0), seen=seen)
    assert tokens.tolist() == [1]
    drawing = Settings.of([(Sampling(repetition_penalty=2.0), seed) for seed in range(30_000)], CPU)
    drawn = draw(logits, drawing, seen=seen.expand(30_000, -1))
    assert p_value(drawn, torch.tensor([1.0, 1.5, -2.0, -1.5]).softmax(0)) > 1e-3


def test_rows_that_cannot_be_drawn_are_told_apart() -> None:
    logits = torch.stack(
        [LOGITS, LOGITS.clone().fill_(math.nan), LOGITS.clone().index_fill(0, torch.tensor(2), math.inf)]
    )
    for temperature in (0.0, 1.0):
        fit = choose(logits, settings(3, temperature=temperature), torch.zeros(3, dtype=torch.int64))[1]
        assert fit.tolist() == [True, False, False]


def kept_by_definition(logits: torch.Tensor, asked: Sampling) -> torch.Tensor:
    """What tokens are drawn from: temperature, then min-p, top-k and top-p, each on what the one before has left."""
    probabilities = (logits / asked.temperature).softmax(0)
    probabilities = probabilities * (probabilities >= (asked.min_p or 0.0) * probabilities.max())
    if asked.top_k is not None:
        probabilities[probabilities.argsort(descending=True)[asked.top_k :]] = 0.0
    return nucleus((probabilities / probabilities.sum()).log(), asked.top_p)


RESTRICTED = [
    Sampling(top_k=3),
    Sampling(top_k=2, temperature=2.0),
    Sampling(top_k=1),
    Sampling(top_k=100),
    Sampling(min_p=0.2),
    Sampling(min_p=0.0),
    Sampling(min_p=1.0),
    Sampling(min_p=0.3, temperature=2.0),
    Sampling(top_k=4, min_p=0.1, top_p=0.8),
    Sampling(top_k=3, top_p=0.9, temperature=0.7),
]


@pytest.mark.parametrize("asked", RESTRICTED, ids=str)
def test_top_k_and_min_p_draw_from_what_their_definitions_leave(asked: Sampling) -> None:
    tokens = draw(LOGITS, Settings.of([(asked, seed) for seed in range(20_000)], CPU))
    kept = kept_by_definition(LOGITS, asked)
    assert set(tokens.tolist()) == set(kept.nonzero().flatten().tolist())
    if int((kept > 0).sum()) > 1:
        assert p_value(tokens, kept) > 1e-3


def test_rows_of_one_batch_are_restricted_each_by_its_own_settings() -> None:
    several = [Sampling(), *RESTRICTED, Sampling(temperature=0.0, top_k=2, min_p=0.5)]
    asked = [(sampling, seed) for seed in range(20) for sampling in several]
    together = draw(LOGITS, Settings.of(asked, CPU)).tolist()
    assert together == [int(draw(LOGITS, Settings.of([one], CPU))[0]) for one in asked]
    assert {token for token, (sampling, _) in zip(together, asked, strict=True) if not sampling.temperature} == {0}


@pytest.mark.parametrize("penalty", [1.5, -1.5])
def test_a_presence_penalty_is_taken_once_from_each_token_of_the_completion(penalty: float) -> None:
    written = torch.tensor([[True, False, True, False, False, False]])
    drawing = Settings.of([(Sampling(presence_penalty=penalty), seed) for seed in range(30_000)], CPU)
    steps = torch.zeros(30_000, dtype=torch.int64)
    tokens, _ = choose(LOGITS.expand(30_000, -1), drawing, steps, written=written.expand(30_000, -1))
    assert p_value(tokens, (LOGITS - penalty * written[0]).softmax(0)) > 1e-3


def test_a_row_that_cannot_be_drawn_stays_so_among_the_likeliest() -> None:
    logits = torch.stack(
        [LOGITS, LOGITS.clone().fill_(math.nan), LOGITS.clone().index_fill(0, torch.tensor(2), math.inf)]
    )
    drawing = Settings.of([(Sampling(top_k=2, min_p=0.1), seed) for seed in range(3)], CPU)
    assert choose(logits, drawing, torch.zeros(3, dtype=torch.int64))[1].tolist() == [True, False, False]
