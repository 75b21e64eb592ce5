"""Divides a cluster among models: how many servers each model gets, where new servers start, and which ones stop. Pure.

Models with pending work share the cluster as a plan does (`core.sharing`): servers are assigned one at a time, each to
the model that is slowest so far. If the models do not all fit at once, running models keep their servers, and the
others wait until one of them has no work left. A server is stopped only when another model needs its place.
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

    def more(self, other: Room) -> Room:
        return Room(self.cpus + other.cpus, self.gpus + other.gpus)

    def __str__(self) -> str:
        cpus = f"{self.cpus:g} CPU{'s' if self.cpus != 1 else ''}"
        return f"{cpus} and {self.gpus:g} GPU{'s' if self.gpus != 1 else ''}" if self.gpus else cpus


@dataclass(frozen=True)
class Claim:
    """A model's claim on the cluster. `name` tells it from all others; `work` is what it has to do, compared with them.

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
    """Servers to start, as (claim, nodes), and to end, as (claim, place in `held`)."""

    start: list[tuple[str, Nodes]] = field(default_factory=list)
    end: list[tuple[str, int]] = field(default_factory=list)


class _Packing:
    """So many servers of each claim, seated in an empty cluster; counts what it was told to hold."""

    def __init__(self, claims: Sequence[Claim], cluster: Mapping[str, Room]) -> None:
        self._claims = sorted(claims, key=lambda claim: -claim.size)
        self._cluster = cluster
        self._free = dict(cluster)
        self.counts = {claim.name: 0 for claim in claims}

    def add(self, claim: Claim) -> bool:
        """One more server; False where there is no room for it, whoever sits where."""
        if not self._sit(claim, self._free):
            free = dict(self._cluster)
            more = {**self.counts, claim.name: self.counts[claim.name] + 1}
            if not all(self._sit(one, free) for one in self._claims for _ in range(more[one.name])):
                return False
            self._free = free
        self.counts[claim.name] += 1
        return True

    @staticmethod
    def _sit(claim: Claim, free: dict[str, Room]) -> bool:
        nodes = _seat(claim, free)
        _take(free, nodes or (), claim.room)
        return nodes is not None


def shares(claims: Sequence[Claim], cluster: Mapping[str, Room]) -> dict[str, int]:
    """How many servers each active model should have, were the cluster empty.

    First all get their least, those that have servers before the others. Then one more at a time goes to the model that
    is slowest with what it has, as long as there is room for that one. Models without GPUs get one on each node.
    """
    active = sorted((claim for claim in claims if claim.active), key=lambda claim: not claim.staying)
    packing = _Packing(active, cluster)
    for claim in active:
        _grow(claim, claim.least, packing)
    _hand_out([claim for claim in active if claim.room.gpus], packing)
    for claim in (claim for claim in active if not claim.room.gpus):
        able = sum(room.holds(claim.room) for node, room in cluster.items() if node not in claim.barred)
        _grow(claim, able if claim.limit is None else min(claim.limit, able), packing)
    return packing.counts


def _grow(claim: Claim, count: int, packing: _Packing) -> None:
    """So many servers for a model, or as many as there is room for."""
    while packing.counts[claim.name] < count and packing.add(claim):
        pass


def _hand_out(sharing: Sequence[Claim], packing: _Packing) -> None:
    """One more server at a time for the slowest model, until there is no room for one."""
    able = [claim for claim in sharing if packing.counts[claim.name]]
    while able:
        slowest = max(able, key=lambda claim: claim.work / (claim.size * packing.counts[claim.name]))
        if slowest.limit is not None and packing.counts[slowest.name] >= slowest.limit:
            able.remove(slowest)
        elif not packing.add(slowest):
            return


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
    state = _State(claims, cluster, wanted)
    for claim in sorted(claims, key=lambda claim: (claim.staying > 0, -claim.size)):
        crowd = {node: sum(node in nodes for nodes in claim.held) for node in cluster}
        for _ in range(-state.spare[claim.name]):
            nodes = _seat(claim, state.free, crowd)
            later = nodes or _seat(claim, state.coming, crowd) or state.make_room(claim)
            if later is None:
                break
            _take(state.coming, later, claim.room)
            if nodes is not None:
                _take(state.free, nodes, claim.room)
                crowd.update({node: crowd[node] + 1 for node in nodes})
                state.decision.start.append((claim.name, nodes))
    return state.decision


class _State:
    """What is free now, what will be when those that are ended have gone, and who has servers beyond its share."""

    def __init__(self, claims: Sequence[Claim], cluster: Mapping[str, Room], wanted: Mapping[str, int]) -> None:
        self.decision = Decision()
        self.free, self.coming = dict(cluster), dict(cluster)
        self.spare = {claim.name: claim.staying - wanted.get(claim.name, 0) for claim in claims}
        self._claims = sorted(claims, key=lambda claim: claim.active)
        self._staying = {claim.name: claim.staying for claim in claims}
        for claim in claims:
            for place, nodes in enumerate(claim.held):
                _take(self.free, nodes, claim.room)
                if place not in claim.leaving:
                    _take(self.coming, nodes, claim.room)

    def make_room(self, claim: Claim) -> Nodes | None:
        """End the fewest servers that let one of this model start when they have gone; where it will.

        Those are servers that others have beyond their shares, or else, for a model that has none, of which others have
        several. For a server over several nodes room is made on one node at a time.
        """
        for several in (False, True) if not claim.staying else (False,):
            able = [node for node in self.coming if node not in claim.barred]
            found = [victims for node in able if (victims := self._victims(claim, node, several))]
            if found:
                for one, place in min(found, key=len):
                    self._end(one, place)
                return _seat(claim, self.coming)
        return None

    def _end(self, claim: Claim, place: int) -> None:
        self.decision.end.append((claim.name, place))
        self.spare[claim.name] -= 1
        self._staying[claim.name] -= 1
        for node in claim.held[place]:
            if node in self.coming:
                self.coming[node] = self.coming[node].more(claim.room)

    def _victims(self, claim: Claim, node: str, several: bool) -> list[tuple[Claim, int]]:
        """Servers on a node whose end makes room there for one of `claim`; empty where nothing does, or need be."""
        room, spare, staying = self.coming[node], dict(self.spare), dict(self._staying)
        found: list[tuple[Claim, int]] = []
        for other in (other for other in self._claims if other.name != claim.name):
            for place, nodes in enumerate(other.held):
                allowed = spare[other.name] > 0 or (several and staying[other.name] > 1)
                ended = place in other.leaving or (other.name, place) in self.decision.end
                if room.holds(claim.room) or node not in nodes or ended or not allowed:
                    continue
                room = room.more(other.room)
                spare[other.name] -= 1
                staying[other.name] -= 1
                found.append((other, place))
        return _needed(found, claim.room, room)


def _needed(found: list[tuple[Claim, int]], wanted: Room, room: Room) -> list[tuple[Claim, int]]:
    """Those of the victims without which the room does not suffice; `room` is what there is without all of them."""
    needed = []
    for victim in found:
        if (without := room.less(victim[0].room)).holds(wanted):
            room = without
        else:
            needed.append(victim)
    return needed if room.holds(wanted) else []
