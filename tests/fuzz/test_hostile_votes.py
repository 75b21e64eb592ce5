"""No votes are counted from refusals: a bounded run of the grammar of hostile verifiers."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from promptcot.core.parsing.verifying import read_vote
from tests.fuzz.hostile_votes import ASKED, Scene, disowning, honest, refusing, scene, spoilt

_TRIALS, _HONEST = 1_500, 300


@pytest.mark.parametrize("speaks", [refusing, disowning, spoilt])
def test_no_verifier_that_refuses_disowns_or_contradicts_itself_has_a_vote(
    speaks: Callable[[Scene, random.Random], str],
) -> None:
    found = []
    for seed in range(_TRIALS):
        draws = random.Random(seed)
        at = scene(draws)
        mark = at.mark if speaks is not refusing else draws.choice([at.mark, at.mark, None])
        vote = read_vote(speaks(at, draws), "stop", ASKED, at.problem, mark)
        found += [] if vote.verdict == "undecided" and vote.reason else [seed]
    assert not found


def test_the_refusing_replies_would_vote_if_they_were_not_compared_with_the_problem() -> None:
    draws = random.Random(0)
    replies = [refusing(scene(draws), draws) for _ in range(_HONEST)]
    assert sum(read_vote(reply, "stop", ASKED, "").reason is None for reply in replies) > _HONEST // 20


def test_a_verifier_that_votes_under_its_mark_is_read_whatever_the_problem_says() -> None:
    read = 0
    for seed in range(_HONEST):
        draws = random.Random(seed)
        at = scene(draws)
        reply, verdict = honest(at, draws)
        vote = read_vote(reply, "stop", ASKED, at.problem, at.mark)
        assert vote.reason is not None or vote.verdict == verdict
        read += vote.reason is None
    assert read > 0.95 * _HONEST
