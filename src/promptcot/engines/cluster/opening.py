"""Opens models on a cluster: models without an address get servers there. Decides the resources of a server."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from promptcot import nano
from promptcot.engines.cluster.actor import server_opener
from promptcot.engines.cluster.division import Room
from promptcot.engines.cluster.engine import PlacedEngine
from promptcot.engines.cluster.model import Size
from promptcot.engines.cluster.nodes import join, look_over, rooms_of
from promptcot.engines.cluster.placer import Placer
from promptcot.engines.cluster.scale import Scale
from promptcot.engines.machine import Gpu
from promptcot.engines.openai.engine import OpenAIEngine, OwnServers
from promptcot.engines.opening import Engines, key_of, kind_of
from promptcot.engines.protocol import Engine
from promptcot.engines.vllm.opening import served_name
from promptcot.engines.vllm.placement import CPU, Placement, smallest_cut
from promptcot.engines.vllm.server import need_of
from promptcot.errors import UsageError
from promptcot.recipe.engines import AUTO
from promptcot.recipe.schema import Encode, Served

_CALLS = 1 << 16
"""Maximum concurrent calls over all servers of a model; the runner sets the actual limit."""
_USABLE = 0.7
"""The share of GPU memory that weights may take if a model is spread over nodes."""


class ClusterEngines(Engines):
    """The engines of a run whose models are served on a cluster; endpoints are called directly, as usual.

    `concurrency` is the number of calls that a server gets at a time; `say` receives messages. Raises ClusterUnusable,
    InputError.
    """

    def __init__(self, directory: Path, scale: Scale, concurrency: int, say: Callable[[str], None]) -> None:
        super().__init__(directory, say)
        self._scale = scale
        self._cluster = join(scale.address)
        self._engines: dict[str, PlacedEngine] = {}
        try:
            nodes = self._cluster.nodes
            sights = look_over(nodes)
            for sight in sights:
                sight.check()
        except BaseException:
            self._cluster.leave()
            raise
        self._gpus = max((int(room.gpus) for room in rooms_of(nodes).values()), default=0)
        self._memory = min((size for sight in sights for size in sight.memory), default=0)
        self.placer = Placer(self._cluster, concurrency, say, scale.wait, scale.ports)
        dashboard = f", dashboard {self._cluster.dashboard}" if self._cluster.dashboard else ""
        say(f"ray: {len(nodes)} node{'s' if len(nodes) != 1 else ''} at {self._cluster.address}{dashboard}")

    def kind_of(self, spec: Served) -> str:
        """The engine on a node: vLLM by default if the cluster has GPUs."""
        undecided = spec.engine == AUTO and not spec.base_url and not nano.is_nano(spec.model)
        return "vllm" if undecided and self._gpus else kind_of(spec)

    async def open(self, spec: Served, role: str) -> Engine:
        """The engine for a model, whose servers start at the first call. Raises InputError, UsageError."""
        kind = self.kind_of(spec)
        if spec.base_url or (isinstance(spec, Encode) and kind != "vllm"):
            return await super().open(spec, role)
        placed = spec.model_copy(update={"engine": kind, "n_gpus": 0})
        key = key_of(placed, role)
        if key not in self._engines:
            named = await super().open(placed, role)  # never called: it has the name under which calls are journaled
            engine = PlacedEngine(named.model, partial(self._connect, placed, role), self.placer.wake)
            wanted = self.placer.wanted(placed, role, served_name(nano.resolve(spec.model, role)))
            self.placer.add(key, _shown(spec, role), engine, wanted, self._size(spec, kind, role))
            self._engines[key] = engine
        return self._engines[key]

    def place(self, specs: Sequence[tuple[Served, str]]) -> bool:
        """True: models that do not fit at once alternate while rows are streamed."""
        return True

    def weigh(self, work: Mapping[Engine, float]) -> None:
        """Set the amount of work of each model, relative to the others, which determines its share of the cluster."""
        self.placer.weigh(work)

    @property
    def take_turns(self) -> bool:
        """Whether the cluster has no room for a server of each model at once."""
        return self.placer.take_turns

    @property
    def note(self) -> str:
        """The running servers."""
        return self.placer.note

    async def close(self) -> None:
        """Stop all servers and disconnect from the cluster."""
        try:
            for engine in self._engines.values():
                await engine.close()
            await self.placer.close()
            await super().close()
        finally:
            self._cluster.leave()

    def _placement(self, key: str) -> Placement | None:
        return CPU  # nothing of ours is started on this machine

    def _connect(self, spec: Served, role: str) -> OpenAIEngine:
        """The HTTP engine over the servers of a model. Servers in front of other engines do not stream."""
        name, is_server = served_name(nano.resolve(spec.model, role)), server_opener(spec.engine) is not None
        own = OwnServers(name, self.placer.key, _CALLS, has_time=not is_server)
        omit = spec.omit if is_server else [*spec.omit, "stream"]
        return OpenAIEngine(name, spec.model_copy(update={"base_url": [], "omit": omit}), own)

    def _size(self, spec: Served, kind: str, role: str) -> Size:
        """The resources of a server of the model. Raises UsageError, InputError."""
        gpus = self._gpus_of(spec, kind, role)
        several = kind == "vllm" and self._gpus and gpus > self._gpus
        nodes = self._scale.nodes_per_actor or (math.ceil(gpus / self._gpus) if several else 1)
        if nodes > 1 and kind != "vllm":
            raise UsageError(f"--nodes-per-actor {nodes}: only vLLM spreads a server over nodes ({spec.model}: {kind})")
        if gpus % nodes:
            raise UsageError(f"{gpus:g} GPUs for a server cannot be divided equally over {nodes} nodes")
        least, most = self._scale.actors or (1, None)
        if spec.replicas is not None:
            least = most = spec.replicas
        return Size(Room(1.0, gpus / nodes), nodes, least, most)

    def _gpus_of(self, spec: Served, kind: str, role: str) -> float:
        """GPUs per server: the user's setting, or the fewest that hold the model."""
        if self._scale.gpus_per_actor is not None:
            gpus = self._scale.gpus_per_actor
            if kind == "vllm" and self._gpus and (gpus < 1 or gpus % 1):
                raise UsageError(f"--gpus-per-actor {gpus:g}: vLLM takes whole GPUs; give each server one or more")
            return gpus
        if not self._gpus or (kind != "vllm" and nano.is_nano(spec.model)):
            return float(spec.n_gpus)
        if spec.n_gpus or kind != "vllm" or not self._memory:
            return float(spec.n_gpus or 1)
        need = need_of(nano.resolve(spec.model, role), spec.model)
        nodes = [Gpu(place, "", "", self._memory, self._memory) for place in range(self._gpus)]
        if need.weights is None:
            return 1.0
        whole = self._gpus * math.ceil(need.weights / (_USABLE * self._memory * self._gpus))  # per node
        return float(smallest_cut(need, nodes) or whole)


def _shown(spec: Served, role: str) -> str:
    """A model's name for display."""
    return f"{spec.model}:{role}" if spec.model == Served().model else spec.model
