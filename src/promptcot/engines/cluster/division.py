"""Divides a cluster among models: how many servers each model gets, where new servers start, and which ones stop. Pure.

Models with pending work share the cluster as a plan does (`core.sharing`): servers are assigned one at a time, each to
the model that is slowest so far. If the models do not all fit at once, running models keep their servers, and the
others wait until one of them has no work left. A server is stopped only when another model needs its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Nodes = tuple[str, ...]
"""The ids of the nodes on which one server runs."""


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
    """A model's claim on the cluster. `name` is unique; `work` is its amount of work, relative to the other models.

    It is `active` while it has work or expects some, and `full` when its servers have as many calls as they accept, so
    that more servers would help. `held` are the nodes of each of its servers, `leaving` the indices in it of those that
    are being stopped. `barred` are nodes that cannot serve it.
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
        """The number of its servers that are not being stopped."""
        return len(self.held) - len(self.leaving)

    @property
    def size(self) -> float:
        """The total resources of a server, for comparison."""
        return self.nodes * (self.room.gpus or self.room.cpus)

    @property
    def limit(self) -> int | None:
        """The maximum number of servers that are useful now."""
        if self.full:
            return self.most
        return max(self.staying, self.least)


@dataclass
class Decision:
    """Servers to start, as (claim, nodes), and to stop, as (claim, index in `held`)."""

    start: list[tuple[str, Nodes]] = field(default_factory=list)
    end: list[tuple[str, int]] = field(default_factory=list)


class _Packing:
    """A number of servers for each claim, packed into an empty cluster."""

    def __init__(self, claims: Sequence[Claim], cluster: Mapping[str, Room]) -> None:
        self._claims = sorted(claims, key=lambda claim: -claim.size)
        self._cluster = cluster
        self._free = dict(cluster)
        self.counts = {claim.name: 0 for claim in claims}

    def add(self, claim: Claim) -> bool:
        """Add one server; False if there is no room for it in any arrangement."""
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
    """The number of servers that each active model should have on an empty cluster.

    First all models get their minimum, those with running servers first. Then one server at a time goes to the model
    that is slowest with its current servers, as long as there is room for it. Models without GPUs get one on each node.
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
    """A number of servers for a model, or as many as there is room for."""
    while packing.counts[claim.name] < count and packing.add(claim):
        pass


def _hand_out(sharing: Sequence[Claim], packing: _Packing) -> None:
    """Give one server at a time to the slowest model, until there is no room for one."""
    able = [claim for claim in sharing if packing.counts[claim.name]]
    while able:
        slowest = max(able, key=lambda claim: claim.work / (claim.size * packing.counts[claim.name]))
        if slowest.limit is not None and packing.counts[slowest.name] >= slowest.limit:
            able.remove(slowest)
        elif not packing.add(slowest):
            return


def _seat(claim: Claim, free: Mapping[str, Room], crowd: Mapping[str, int] | None = None) -> Nodes | None:
    """Nodes with room for a server: the fullest if GPUs are shared, otherwise those with the fewest of its servers."""
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
    """The servers to start and to stop, so that the models approach their shares."""
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
    """The resources that are free now, those that will be free when stopping servers are gone, and servers beyond the
    shares.
    """

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
        """Stop the fewest servers that make room for a server of this model; returns its place.

        These are servers that others have beyond their shares or, for a model without any server, one of several of
        another model. For a server over several nodes, room is made on one node at a time.
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
        """Servers on a node whose end makes room there for one of `claim`; empty if none would, or if there is room
        already.
        """
        room, spare, staying = self.coming[node], dict(self.spare), dict(self._staying)
        victims: list[tuple[Claim, int]] = []
        for other in (other for other in self._claims if other.name != claim.name):
            for place, nodes in enumerate(other.held):
                allowed = spare[other.name] > 0 or (several and staying[other.name] > 1)
                ended = place in other.leaving or (other.name, place) in self.decision.end
                if room.holds(claim.room) or node not in nodes or ended or not allowed:
                    continue
                room = room.more(other.room)
                spare[other.name] -= 1
                staying[other.name] -= 1
                victims.append((other, place))
        return _needed(victims, claim.room, room)


def _needed(victims: list[tuple[Claim, int]], wanted: Room, room: Room) -> list[tuple[Claim, int]]:
    """The victims that are necessary for the room; `room` is the free capacity without any of them."""
    needed = []
    for victim in victims:
        if (without := room.less(victim[0].room)).holds(wanted):
            room = without
        else:
            needed.append(victim)
    return needed if room.holds(wanted) else []
