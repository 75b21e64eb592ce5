"""vLLM's OpenAI-compatible server as a child process: started, monitored, stopped.

Each replica of the model is a server with its own GPUs and port, and the client balances the load over their addresses.
vLLM can run all replicas in one server (--data-parallel-size), but then a crash takes down all of them, one process
tokenizes for all, and they start and stop together. Users who want that can set it in `extra`.

Decides where the replicas run, when they are ready, and what is reported when they fail. `placement` distributes a
model over GPUs, `options` builds the command line, `guard` stops the process, and the engine decides how often a
crashed server is restarted.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from promptcot.core.units import duration
from promptcot.engines import model_files
from promptcot.engines.machine import Gpu, visible_gpus
from promptcot.engines.vllm import log as vllm_log
from promptcot.engines.vllm.options import MODULE, PARALLEL, WORKER, ServerOptions, command, environment, given, number
from promptcot.engines.vllm.placement import Need, Placement, choose, take
from promptcot.engines.vllm.process import GuardedProcess
from promptcot.errors import EngineUnusable, InputError

_LOOK = 0.2
_HEALTH, _HEALTH_TIMEOUT, _MISSES = 10.0, 60.0, 3
_TRIES = 3
_IN_USE = "ddress already in use"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Launch:
    """How servers are started: the command before their options, and the file that all output is appended to.

    Replicas after the first write to `NAME-2.SUFFIX`, … A start may take `patience` seconds, and a server has `grace`
    seconds to end by itself. With a `key` only calls with that key are answered; `ports` are the ports to listen on.
    `say` receives messages about the start and its duration.
    """

    log: Path
    command: Sequence[str] = MODULE
    patience: float = 1800.0
    grace: float = 5.0
    key: str = field(default="", repr=False)
    ports: range = range(1)
    say: Callable[[str], None] = lambda _: None


class VllmServer:
    """The server, or servers, of one model, on the GPUs of `placement` (see `place`)."""

    def __init__(self, options: ServerOptions, placement: Placement, launch: Launch) -> None:
        self.placement = placement
        self._launch = launch
        self._name = options.served_name
        self._next_look = 0.0
        self._copies = [_Copy(options, gpus, place, launch) for place, gpus in enumerate(placement.copies)]

    async def start(self) -> list[str]:
        """Start what does not run, wait until all servers answer, and return the URLs (`http://127.0.0.1:PORT/v1`).

        After a crash it starts only the dead replicas, at their old addresses if these are still free. Raises
        EngineUnusable, with the server's own error and the path of its log; no server is left running then.
        """
        if self._launch.command == MODULE and importlib.util.find_spec("vllm") is None:
            raise EngineUnusable("the vllm engine needs vllm: pip install 'promptcot[vllm]'", "not-installed")
        starts = [asyncio.create_task(copy.start()) for copy in self._copies if not copy.alive]
        servers, began = f"{len(starts)} vLLM server{'s' * (len(starts) > 1)}", time.monotonic()
        self._launch.say(
            f"{self._name}: starting {servers}, about a minute for a small model, many minutes for a large one; "
            f"log: {self._launch.log}"
        )
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await self.stop()
            raise
        self._launch.say(f"{self._name}: {servers} ready after {duration(time.monotonic() - began)}")
        return self.urls

    @property
    def urls(self) -> list[str]:
        """The base URL of each replica; empty before the first start."""
        return [copy.url for copy in self._copies if copy.port]

    @property
    def dead(self) -> list[str]:
        """The base URLs of the replicas that have ended."""
        return [copy.url for copy in self._copies if copy.port and not copy.alive]

    @property
    def alive(self) -> bool:
        """Whether every replica runs; needs no request to the server."""
        return all(copy.alive for copy in self._copies)

    @property
    def pids(self) -> list[int]:
        """The process ids of the running servers."""
        return [copy.process.pid for copy in self._copies if copy.process is not None and copy.alive]

    @property
    def last_words(self) -> str:
        """The reasons in the logs of the replicas that have ended; empty if all run."""
        return "\n".join(copy.last_words() for copy in self._copies if copy.port and not copy.alive)

    async def ended(self) -> str:
        """Wait until a replica has ended or no longer answers, and return a message about it."""
        misses = 0
        while self.alive and misses < _MISSES:
            await asyncio.sleep(_LOOK if misses == 0 else _HEALTH)
            if time.monotonic() > self._next_look:
                self._next_look = time.monotonic() + _HEALTH
                misses = 0 if await self._answers() else misses + 1
        if self.alive:
            return (
                f"vLLM's server runs but has not answered {_MISSES} health checks in a row; "
                f"its log is {self._launch.log}"
            )
        return self.last_words

    async def _answers(self) -> bool:
        healthy = [asyncio.to_thread(_answers, copy.health, _HEALTH_TIMEOUT) for copy in self._copies if copy.port]
        return all(await asyncio.gather(*healthy))

    async def stop(self) -> None:
        """Stop all replicas. No process is left when this returns. May be called repeatedly."""
        processes = [copy.process for copy in self._copies if copy.process is not None]
        for process in processes:
            process.release()
        await asyncio.gather(*(process.stop() for process in processes))


def need_of(model: str | Path, name: str | None = None) -> Need:
    """The GPU needs of a model, as far as they are known from its files or its name."""
    size = model_files.weights_bytes(model)
    config = model_files.config_of(model) or {}
    text = {**config, **(config.get("text_config") or {})}
    return Need(
        size.bytes if size else None,
        text.get("num_attention_heads"),
        text.get("num_key_value_heads"),
        name or str(model),
    )


def place(options: ServerOptions, n_gpus: int | None) -> Placement:
    """The placement of the replicas on `n_gpus` or (None, 0) all visible GPUs.

    If users set data or pipeline parallelism there is one server, with all the GPUs. Raises InputError if the model
    does not fit, too many GPUs are requested, or an option cannot be passed on.
    """
    gpus = take(n_gpus, visible_gpus())
    if gpus and (options.group or any(name in given(options.extra) for name in PARALLEL[1:])):
        return Placement((tuple(gpus),))
    return choose(need_of(options.model), gpus, number(options.extra, PARALLEL[0]))


class _Copy:
    """One server: the process, its port and its log."""

    def __init__(self, options: ServerOptions, gpus: Sequence[Gpu], place: int, launch: Launch) -> None:
        self._options, self._gpus, self._launch = options, gpus, launch
        self._log = launch.log if place == 0 else launch.log.with_stem(f"{launch.log.stem}-{place + 1}")
        first = number(options.extra, "--port")
        self._fixed_port = None if first is None else first + place
        self.port = 0
        self.process: GuardedProcess | None = None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}/v1"

    @property
    def health(self) -> str:
        """The address of its health check."""
        return f"{self.url.removesuffix('/v1')}/health"

    @property
    def _host(self) -> str:
        host = given(self._options.extra).get("--host", self._options.host)
        host = self._options.host if host in ("0.0.0.0", "", "::") else host
        return f"[{host}]" if ":" in host else host

    @property
    def _is_part(self) -> bool:
        """Whether it is a part of a server that has its address on another machine."""
        return self._options.group is not None and self._options.group.rank > 0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.alive

    async def start(self) -> None:
        """Start the server and wait until it answers. If another program takes its port first, it gets another one."""
        for left in reversed(range(_TRIES)):
            if self.process is not None:
                await self.process.stop()
            self.port = 0 if self._is_part else self._free_port()
            start = WORKER if self._is_part else self._launch.command
            words = [*start, *command(self._options, self._gpus, self.port, keyed=bool(self._launch.key))]
            settings = environment(os.environ, self._gpus, self._launch.key)
            if self._options.group is not None:
                settings["VLLM_HOST_IP"] = self._options.host  # otherwise the address of the internet route
            self.process = GuardedProcess(words, settings, self._log, self._launch.grace)
            if self._is_part or await self._answers_or_ends():
                return
            await self.process.stop()
            if not left or self._fixed_port is not None or _IN_USE not in self.last_words():
                raise EngineUnusable(f"{self._options.model}: {self.last_words()}", "vllm-start")

    async def _answers_or_ends(self) -> bool:
        """True when the server is ready, False when it has ended. Raises EngineUnusable after `patience` seconds."""
        until = time.monotonic() + self._launch.patience
        while self.alive:
            if await asyncio.to_thread(_answers, self.health):
                return self.alive
            if time.monotonic() > until:
                raise EngineUnusable(
                    f"{self._options.model}: vLLM's server is not ready after {self._launch.patience:.0f} s; "
                    f"its log is {self._log}",
                    "vllm-start",
                )
            await asyncio.sleep(_LOOK)
        return False

    def last_words(self) -> str:
        """How the server ended, why, the path of its log, and the remedy if one is known."""
        if self.process is None:
            return ""
        why = vllm_log.reason(vllm_log.tail(self._log, self.process.log_start))
        advice = vllm_log.way_out(why)
        message = f"vLLM's server {self.process.ending}:\n{why}\nIts log is {self._log}"
        return f"{message}; {advice}" if advice else message

    def _free_port(self) -> int:
        """The port to listen on: the user's, else the one used before, else any."""
        if self._fixed_port is None:
            if self.port:
                with suppress(OSError, OverflowError):
                    return _listen(self._options.host, self.port)  # its port before the crash
            return free_port(self._options.host, self._launch.ports)
        try:
            return _listen(self._options.host, self._fixed_port)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"--port {self._fixed_port}: this port cannot be used ({error}); leave --port out of --engine-args, "
                "and a free port is used"
            ) from error


def free_port(host: str, ports: Iterable[int]) -> int:
    """A random free port among these (0 is any). Random, because other programs also look for one before they use it.

    Raises EngineUnusable.
    """
    several = list(ports)
    for port in random.Random().sample(several, len(several)):
        with suppress(OSError, OverflowError):
            return _listen(host, port)
    among = f" from {several[0]} to {several[-1]}; give a wider range (--server-ports)" if several != [0] else ""
    raise EngineUnusable(f"no port is free on {host}{among}", "no-port")


def _listen(host: str, port: int) -> int:
    """A port that is free: this one, or any for 0. Raises OSError, OverflowError."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _answers(url: str, timeout: float = 5.0) -> bool:
    try:
        with _DIRECT.open(url, timeout=timeout) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
