"""The division of a cluster among models: tables of claims, clusters and the expected divisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from promptcot.core.sharing import Work, hand_out
from promptcot.engines.cluster.division import Claim, Room, decide, shares

GENERATOR = Claim("generator", Room(1, 1), work=73)
JUDGE_A = Claim("judge-a", Room(1, 4), work=666)
JUDGE_B = Claim("judge-b", Room(1, 4), work=666)
PAPER = [GENERATOR, JUDGE_A, JUDGE_B]


def cluster(nodes: int, gpus: float = 8, cpus: float = 64) -> dict[str, Room]:
    return {f"node-{number}": Room(cpus, gpus) for number in range(nodes)}


@pytest.mark.parametrize("nodes", [2, 8, 64])
def test_gpus_are_shared_as_the_plan_shares_them(nodes: int) -> None:
    planned = hand_out([Work(claim.name, claim.work, int(claim.room.gpus)) for claim in PAPER], 8 * nodes)
    assert shares(PAPER, cluster(nodes)) == planned


@pytest.mark.parametrize(
    ("claims", "nodes", "expected"),
    [
        pytest.param([GENERATOR], cluster(1), {"generator": 8}, id="alone it has all"),
        pytest.param([replace(GENERATOR, most=3)], cluster(1), {"generator": 3}, id="at most"),
        pytest.param([replace(JUDGE_A, least=3)], cluster(1), {"judge-a": 2}, id="at least, as far as there is room"),
        pytest.param(
            [replace(GENERATOR, least=2, most=2), JUDGE_A], cluster(2), {"generator": 2, "judge-a": 3}, id="replicas"
        ),
        pytest.param(PAPER, cluster(1), {"generator": 1, "judge-a": 1, "judge-b": 0}, id="too few: the first ones"),
        pytest.param(
            [GENERATOR, JUDGE_A, replace(JUDGE_B, held=[("node-0",)])],
            cluster(1),
            {"judge-b": 1, "generator": 1, "judge-a": 0},
            id="too few: who has a server keeps it",
        ),
        pytest.param(
            [replace(GENERATOR, active=False), JUDGE_A, JUDGE_B],
            cluster(1),
            {"judge-a": 1, "judge-b": 1},
            id="who has no work has no share",
        ),
        pytest.param(
            [replace(JUDGE_A, full=False, held=[("node-0",)])], cluster(2), {"judge-a": 1}, id="who is not full stays"
        ),
        pytest.param(
            [Claim("big", Room(1, 8), nodes=2)], cluster(5), {"big": 2}, id="over several nodes: whole groups of them"
        ),
        pytest.param([Claim("three", Room(1, 3))], cluster(2), {"three": 4}, id="no server lies over two nodes"),
        pytest.param(
            [Claim("a", Room(1)), Claim("b", Room(1))], cluster(3, gpus=0), {"a": 3, "b": 3}, id="CPUs: one a node"
        ),
        pytest.param(
            [Claim("a", Room(1)), Claim("b", Room(1))],
            {"head": Room(0), "small": Room(1), "large": Room(4)},
            {"a": 2, "b": 2},
            id="CPUs: as far as they go",
        ),
        pytest.param(
            [replace(GENERATOR, barred=frozenset({"node-0"}))], cluster(2), {"generator": 8}, id="not on barred nodes"
        ),
        pytest.param([GENERATOR], cluster(2, gpus=0), {"generator": 0}, id="no GPU, no server"),
    ],
)
def test_shares(claims: list[Claim], nodes: dict[str, Room], expected: dict[str, int]) -> None:
    assert shares(claims, nodes) == expected


def test_servers_start_where_there_is_room_and_the_largest_find_theirs_first() -> None:
    decision = decide(PAPER, cluster(2))
    started = [name for name, _ in decision.start]
    assert started.index("generator") > max(place for place, name in enumerate(started) if name != "generator")
    taken = dict.fromkeys(cluster(2), 0.0)
    for name, (node,) in decision.start:
        taken[node] += {claim.name: claim.room.gpus for claim in PAPER}[name]
    assert max(taken.values()) <= 8
    assert decision.end == []


def test_what_runs_as_it_should_is_left_alone() -> None:
    nodes = cluster(2)
    first = decide(PAPER, nodes)
    held = {claim.name: [seat for name, seat in first.start if name == claim.name] for claim in PAPER}
    again = decide([replace(claim, held=held[claim.name]) for claim in PAPER], nodes)
    assert (again.start, again.end) == ([], [])


HERE = ("node-0",)


@pytest.mark.parametrize(
    ("claims", "ends"),
    [
        pytest.param([replace(GENERATOR, held=[HERE]), replace(JUDGE_A, held=[HERE]), JUDGE_B], [], id="all at work"),
        pytest.param(
            [replace(GENERATOR, held=[HERE] * 4, active=False), replace(JUDGE_A, held=[HERE]), JUDGE_B],
            [("generator", 0), ("generator", 1), ("generator", 2), ("generator", 3)],
            id="four small ones make room for a large one",
        ),
        pytest.param(
            [
                replace(GENERATOR, held=[HERE], active=False),
                replace(JUDGE_A, held=[HERE], active=False),
                replace(JUDGE_B, most=1),
            ],
            [("generator", 0)],
            id="no more than needed",
        ),
        pytest.param(
            [replace(GENERATOR, held=[HERE]), replace(JUDGE_A, held=[HERE], leaving=frozenset({0})), JUDGE_B],
            [],
            id="one that is being ended is room to come",
        ),
        pytest.param(
            [replace(GENERATOR, held=[HERE] * 8, active=False), replace(JUDGE_A, active=False)],
            [],
            id="nobody needs it: it stays",
        ),
    ],
)
def test_a_server_is_ended_only_when_another_model_needs_its_place(
    claims: list[Claim], ends: list[tuple[str, int]]
) -> None:
    decision = decide(claims, cluster(1))
    assert (decision.end, decision.start) == (ends, [])


def test_a_model_without_any_server_gets_one_of_several_of_another() -> None:
    """Fragments: two GPUs are left on each node, and four are needed on one."""
    held = [("node-0",)] * 6 + [("node-1",)] * 6
    decision = decide([replace(GENERATOR, held=held, least=12), JUDGE_A], cluster(2))
    assert decision.end == [("generator", 0), ("generator", 1)]


def test_what_is_held_on_a_node_that_is_gone_takes_no_room() -> None:
    claim = replace(GENERATOR, held=[("node-0",), ("gone",)], most=3)
    assert decide([claim], cluster(1)).start == [("generator", ("node-0",))]


def test_two_models_that_wait_do_not_count_on_the_same_place() -> None:
    idle = replace(GENERATOR, held=[HERE, HERE], active=False)
    waiting = [Claim("one", Room(1, 1), most=1), Claim("two", Room(1, 1), most=1)]
    assert sorted(decide([idle, *waiting], cluster(1, gpus=2)).end) == [("generator", 0), ("generator", 1)]
