"""Who gets which part of a cluster: how many servers each model should have, where the next ones start, and which ones
make room. Pure.

Models that have work share the cluster as a plan does (`core.sharing`): whole servers are handed out one by one, each
to the model that is slowest so far. Where not all models fit at once, those at work keep what they have, and the others
wait until one of them has nothing left to do. A server is only ended when another model needs its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Nodes = tuple[str, ...]
"""The nodes that one server takes a part of, by id."""


@dataclass(frozen=True, slots=True)
class Room:
    """CPUs and GPUs: what a node has, or what a server takes of each of its nodes."""

    cpus: float = 1.0
    gpus: float = 0.0

    def holds(self, other: Room) -> bool:
        return self.cpus >= other.cpus and self.gpus >= other.gpus

    def less(self, other: Room) -> Room:
        return Room(self.cpus - other.cpus, self.gpus - other.gpus)

    def __str__(self) -> str:
        cpus = f"{self.cpus:g} CPU{'s' if self.cpus != 1 else ''}"
        return f"{cpus} and {self.gpus:g} GPU{'s' if self.gpus != 1 else ''}" if self.gpus else cpus


@dataclass(frozen=True)
class Claim:
    """A model's claim on the cluster. `work` is what it has to do, compared with the others.

    It is `active` while it has work or expects some, and it is `full` when its servers have as many calls as they take,
    so that more of them would help. `held` are the nodes of each server that it has, `leaving` the places in it of
    those that are being ended. `barred` are nodes that cannot serve it.
    """

    name: str
    room: Room
    nodes: int = 1
    work: float = 1.0
    least: int = 1
    most: int | None = None
    active: bool = True
    full: bool = True
    held: Sequence[Nodes] = ()
    leaving: frozenset[int] = frozenset()
    barred: frozenset[str] = frozenset()

    @property
    def staying(self) -> int:
        """How many servers it has that are not being ended."""
        return len(self.held) - len(self.leaving)

    @property
    def size(self) -> float:
        """What a server takes in all, for comparison."""
        return self.nodes * (self.room.gpus or self.room.cpus)

    @property
    def limit(self) -> int | None:
        """The most servers that are of use now."""
        if self.full:
            return self.most
        return max(self.staying, self.least)


@dataclass
class Decision:
    """Servers to start, as (model, nodes), and to end, as (model, place in `held`); `waiting` models find no room."""

    start: list[tuple[str, Nodes]] = field(default_factory=list)
    end: list[tuple[str, int]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def shares(claims: Sequence[Claim], cluster: Mapping[str, Room]) -> dict[str, int]:
    """How many servers each active model should have, were the cluster empty.

    First all get their least, those that have servers before the others. Then one more at a time goes to the model that
    is slowest with what it has, as long as there is room for that one. Models without GPUs get one on each node.
    """
    active = sorted((claim for claim in claims if claim.active), key=lambda claim: not claim.staying)
    counts = {claim.name: 0 for claim in active}
    for claim in active:
        _grow(claim, claim.least, counts, active, cluster)
    _hand_out([claim for claim in active if claim.room.gpus], counts, active, cluster)
    for claim in (claim for claim in active if not claim.room.gpus):
        able = sum(room.holds(claim.room) for node, room in cluster.items() if node not in claim.barred)
        _grow(claim, able if claim.limit is None else min(claim.limit, able), counts, active, cluster)
    return counts


def _grow(
    claim: Claim, count: int, counts: dict[str, int], active: Sequence[Claim], cluster: Mapping[str, Room]
) -> None:
    """So many servers for a model, or as many as there is room for."""
    while counts[claim.name] < count:
        more = {**counts, claim.name: counts[claim.name] + 1}
        if not _fits(more, active, cluster):
            return
        counts.update(more)


def _hand_out(
    sharing: Sequence[Claim], counts: dict[str, int], active: Sequence[Claim], cluster: Mapping[str, Room]
) -> None:
    """One more server at a time for the slowest model, until there is no room for one."""
    able = [claim for claim in sharing if counts[claim.name]]
    while able:
        slowest = max(able, key=lambda claim: claim.work / (claim.size * counts[claim.name]))
        count = counts[slowest.name] + 1
        if slowest.limit is not None and count > slowest.limit:
            able.remove(slowest)
            continue
        _grow(slowest, count, counts, active, cluster)
        if counts[slowest.name] < count:
            return


def _fits(counts: Mapping[str, int], claims: Sequence[Claim], cluster: Mapping[str, Room]) -> bool:
    """Whether so many servers find room, the largest first."""
    free = dict(cluster)
    for claim in sorted(claims, key=lambda claim: -claim.size):
        for _ in range(counts[claim.name]):
            nodes = _seat(claim, free)
            if nodes is None:
                return False
            _take(free, nodes, claim.room)
    return True


def _seat(claim: Claim, free: Mapping[str, Room], crowd: Mapping[str, int] | None = None) -> Nodes | None:
    """Nodes with room for one server: the fullest where GPUs are shared, else those with the fewest of its servers."""
    able = [node for node, room in free.items() if node not in claim.barred and room.holds(claim.room)]
    if len(able) < claim.nodes:
        return None
    able.sort(key=lambda node: free[node].gpus if claim.room.gpus else (crowd or {}).get(node, 0))
    return tuple(able[: claim.nodes])


def _take(free: dict[str, Room], nodes: Nodes, room: Room) -> None:
    for node in nodes:
        if node in free:
            free[node] = free[node].less(room)


def decide(claims: Sequence[Claim], cluster: Mapping[str, Room]) -> Decision:
    """What to start and what to end, so that the models come to have their shares."""
    wanted = shares(claims, cluster)
    decision = Decision(waiting=[claim.name for claim in claims if claim.active and not claim.held])
    spare = {claim.name: claim.staying - wanted.get(claim.name, 0) for claim in claims}
    free, coming = _free(claims, cluster, now=True), _free(claims, cluster, now=False)
    for claim in sorted(claims, key=lambda claim: (claim.staying > 0, -claim.size)):
        crowd = {node: sum(node in nodes for nodes in claim.held) for node in cluster}
        for _ in range(-spare[claim.name]):
            nodes = _seat(claim, free, crowd)
            later = nodes or _seat(claim, coming, crowd)
            if later is None:
                _make_room(claim, claims, spare, coming, decision)
                break
            _take(coming, later, claim.room)
            if nodes is None:
                continue
            _take(free, nodes, claim.room)
            crowd.update({node: crowd[node] + 1 for node in nodes})
            decision.start.append((claim.name, nodes))
    started = {name for name, _ in decision.start}
    decision.waiting = [name for name in decision.waiting if name not in started]
    return decision


def _free(claims: Sequence[Claim], cluster: Mapping[str, Room], *, now: bool) -> dict[str, Room]:
    """What servers leave of the nodes: now, or when those that are being ended have gone."""
    free = dict(cluster)
    for claim in claims:
        for place, nodes in enumerate(claim.held):
            if now or place not in claim.leaving:
                _take(free, nodes, claim.room)
    return free


def _make_room(
    claim: Claim, claims: Sequence[Claim], spare: dict[str, int], coming: Mapping[str, Room], decision: Decision
) -> None:
    """End the fewest servers that let one of this model start: what others have beyond their shares, or else, for a
    model that has none, what others have several of. It starts when they have gone.
    """
    for several in (False, True) if not claim.staying else (False,):
        found = [
            _victims(claim, node, coming[node], claims, spare, several) for node in coming if node not in claim.barred
        ]
        if best := min(filter(None, found), key=len, default=None):
            for name, place in best:
                spare[name] -= 1
                decision.end.append((name, place))
            return


def _victims(
    claim: Claim, node: str, room: Room, claims: Sequence[Claim], spare: Mapping[str, int], several: bool
) -> list[tuple[str, int]]:
    """Servers on a node whose end makes room there for one of `claim`; empty where nothing does, or need be."""
    left = dict(spare)
    staying = {other.name: other.staying for other in claims}
    found: list[tuple[str, int]] = []
    for other in sorted((other for other in claims if other.name != claim.name), key=lambda other: other.active):
        for place, nodes in enumerate(other.held):
            if room.holds(claim.room):
                break
            allowed = left[other.name] > 0 or (several and staying[other.name] > 1)
            if node in nodes and place not in other.leaving and allowed:
                room = Room(room.cpus + other.room.cpus, room.gpus + other.room.gpus)
                left[other.name] -= 1
                staying[other.name] -= 1
                found.append((other.name, place))
    return _needed(found, claim, room, {other.name: other.room for other in claims})


def _needed(found: list[tuple[str, int]], claim: Claim, room: Room, rooms: Mapping[str, Room]) -> list[tuple[str, int]]:
    """Those of the victims without which the room does not suffice; `room` is what there is without all of them."""
    needed = []
    for victim in found:
        without = room.less(rooms[victim[0]])
        if without.holds(claim.room):
            room = without
        else:
            needed.append(victim)
    return needed if room.holds(claim.room) else []
