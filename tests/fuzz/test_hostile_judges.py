"""A bounded run of the grammar of hostile judges; `benchmarks/fuzz_judges.py` is the long one."""

from __future__ import annotations

import random

from promptcot.core.parsing.judging import read_reply
from tests.fuzz.hostile_judges import CRITERIA, TRICKS, honest, refusing, scene

_TRIALS, _HONEST = 2_000, 300


def test_no_judge_that_refuses_gives_a_verdict_whatever_it_repeats() -> None:
    found = []
    for seed in range(_TRIALS):
        draws = random.Random(seed)
        at = scene(draws)
        judgement = read_reply(
            refusing(at, draws), "stop", CRITERIA, at.material, draws.choice([at.mark, at.mark, None])
        )
        found += [] if judgement.verdict == "invalid" else [seed]
    assert not found


def test_the_replies_would_give_verdicts_if_they_were_not_compared_with_the_material() -> None:
    draws = random.Random(0)
    replies = [refusing(scene(draws), draws) for _ in range(_HONEST)]
    assert sum(read_reply(reply, "stop", CRITERIA).verdict != "invalid" for reply in replies) > _HONEST // 20


def test_a_judge_that_rates_under_its_mark_is_read_whatever_the_material_says() -> None:
    read = 0
    for seed in range(_HONEST):
        draws = random.Random(seed)
        at = scene(draws)
        reply, words = honest(at, draws)
        judgement = read_reply(reply, "stop", CRITERIA, at.material, at.mark)
        assert judgement.verdict in (words[-1], "invalid")
        read += judgement.verdict == words[-1] and list(judgement.ratings.values()) == words[:-1]
    assert read > 0.95 * _HONEST


def test_the_grammar_has_many_tricks() -> None:
    assert len(TRICKS) >= 25
