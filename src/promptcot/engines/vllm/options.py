"""The command line and the environment of vLLM's server: our defaults and the user's overrides.

Checked against vLLM 0.32. vLLM's own defaults are kept for CUDA graphs (on), the fast tokenizer (the only one it has),
and the context length (the model's). The user's options are passed on unchanged and replace ours of the same name. Two
kinds are refused: options that would break our connection to the server, and weight formats other than safetensors,
since by default vLLM falls back to pickles (`--load-format auto`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from promptcot.engines.machine import Gpu
from promptcot.errors import InputError
from promptcot.redaction import without_keys
from promptcot.storage.json import loads

Purpose = Literal["complete", "embed"]

MODULE = (sys.executable, "-m", "vllm.entrypoints.openai.api_server")
"""The command that starts the server. Not the `vllm` script, which looks up the wrong distribution in the CPU build."""

WORKER = (sys.executable, str(Path(__file__).with_name("worker.py")))
"""The command that starts a server's part on any machine but the first, like `vllm serve --headless`."""

PARALLEL = ("--tensor-parallel-size", "--data-parallel-size", "--pipeline-parallel-size")
"""The options with which users place a model themselves."""

KEYED = "promptcot.engines.vllm.keyed.Keyed"

_SHORT = {"-tp": PARALLEL[0], "-dp": PARALLEL[1], "-pp": PARALLEL[2]}
_REFUSED = {
    "--model": "give the model with --model_path",
    "--served-model-name": "the run identifies its model by this name",
    "--api-key": "a server that a run starts has a key of the run, or accepts only connections from this machine",
    "--config": "put the contents of that file into --engine-args",
    "--hf-token": "logs and the process list would show it; set HF_TOKEN in the environment",
    **dict.fromkeys(
        ("--uds", "--grpc", "--headless", "--root-path", "--ssl-keyfile", "--ssl-certfile"),
        "start such a server yourself, and give its address with --base-url",
    ),
}
_FORMAT = "--load-format"
_FORMATS = (
    *("safetensors", "fastsafetensors", "instanttensor", "mistral", "sharded_state"),
    *("runai_streamer", "runai_streamer_sharded", "dummy"),
)
"""The values of `--load-format` with which vLLM reads only safetensors, or nothing."""
_FETCHES_WEIGHTS = ("HF_", "HUGGING_FACE_", "MODELSCOPE_", "VLLM_", "AWS_", "GOOGLE_APPLICATION_", "AZURE_STORAGE_")
_LAST_TOKEN = {"pooling_type": "LAST", "use_activation": False}


@dataclass(frozen=True, slots=True)
class Group:
    """A part of a server that is spread over `nodes` machines: that of this `rank`; the first one is at `address`."""

    nodes: int
    rank: int
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """What a server runs, and the address that it listens on. Raises InputError for an invalid option.

    `extra` are vLLM's own options as the user wrote them.
    """

    model: str
    served_name: str
    tokenizer: str | None = None
    dtype: str = "auto"
    purpose: Purpose = "complete"
    extra: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    group: Group | None = None

    def __post_init__(self) -> None:
        for name, value in given(self.extra).items():
            if (refused := _meant(name)) is not None:
                raise InputError(f"--engine-args: {refused} cannot be set here: {_REFUSED[refused]}")
            _check_format(name, value)

    @property
    def loads_nothing(self) -> bool:
        """Whether vLLM uses dummy weights, for measuring its speed."""
        return given(self.extra).get(_FORMAT, "").lower() == "dummy"

    @property
    def adapters(self) -> list[Path]:
        """The folders of the adapters that the user gives with `--lora-modules`."""
        return [folder for words in _values(self.extra, "--lora-modules") if (folder := _adapter(words)) is not None]


def _meant(name: str) -> str | None:
    """The refused option that is meant: vLLM accepts abbreviated names."""
    return next((one for one in _REFUSED if name == one or (len(name) > 3 and one.startswith(name))), None)


def _check_format(name: str, value: str) -> None:
    """Raises InputError for a weight format other than safetensors, of the model or of a draft model."""
    asked = len(name) > 4 and _FORMAT.startswith(name)
    if (asked or name.endswith("load-format")) and value.lower() not in _FORMATS:
        raise InputError(
            f"--engine-args: {name} {value}: weights are read from safetensors only, since loading other formats can "
            f"run code that is in them; leave it out, or give one of {', '.join(_FORMATS)}"
        )
    if "load_format" in value:
        raise InputError(f"--engine-args: {name}: load_format cannot be set in this option: only safetensors are read")


def _values(arguments: Sequence[str], option: str) -> list[str]:
    """All words given to an option with several values."""
    values: list[str] = []
    takes = False
    for argument in arguments:
        name, _, value = argument.partition("=")
        if name.startswith("--"):
            takes = name.replace("_", "-") == option
            values += [value] if takes and value else []
        elif takes:
            values.append(argument)
    return values


def _adapter(words: str) -> Path | None:
    """The folder of an adapter in vLLM's notation, `NAME=FOLDER` or JSON with a `path`; None if it is not local."""
    if words.startswith("{"):
        try:
            value = loads(words.encode(errors="surrogatepass"))
        except ValueError:
            return None  # vLLM reports what is wrong with it
        path = value.get("path") if isinstance(value, dict) else None
    else:
        path = words.partition("=")[2]
    return Path(path) if isinstance(path, str) and path and Path(path).is_dir() else None


def given(arguments: Sequence[str]) -> dict[str, str]:
    """The options among the arguments, by their long names with dashes and without `no-`; "" if it has no value."""
    options: dict[str, str] = {}
    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if not name.startswith("-") or name.lstrip("-")[:1].isdecimal():
            continue
        following = arguments[place + 1] if place + 1 < len(arguments) else "-"
        name = _SHORT.get(name, name.replace("_", "-")).replace("--no-", "--", 1)
        options[name] = value or ("" if following.startswith("-") else following)
    return options


def number(arguments: Sequence[str], name: str) -> int | None:
    """The user's whole number for an option; None without that option. Raises InputError for other values."""
    value = given(arguments).get(name)
    if value is None:
        return None
    if not value.isdecimal():
        raise InputError(f"--engine-args: {name} needs a whole number, not {value!r}")
    return int(value)


def command(options: ServerOptions, gpus: Sequence[Gpu], port: int, *, keyed: bool = False) -> list[str]:
    """The arguments of the server (after its start command) for one replica of a model on these GPUs; no GPU: the CPU.

    With `keyed` every path requires the key: vLLM itself leaves some paths open that run the model.
    """
    mentioned = given(options.extra)
    ours = [*_basics(options, port), *_purpose(options.purpose), *_hardware(options, gpus, mentioned)]
    ours += _group(options.group) if options.group else []
    chosen = [word for words in ours if words[0].replace("--no-", "--", 1) not in mentioned for word in words]
    extra = list(options.extra) if "--port" not in mentioned else _with_port(options.extra, port)
    return [*chosen, *(("--middleware", KEYED) if keyed else ()), *extra]


def _basics(options: ServerOptions, port: int) -> list[tuple[str, ...]]:
    """Requests set the sampling: of a folder's generation_config.json only the stop tokens are used."""
    return [
        ("--model", options.model),
        ("--served-model-name", options.served_name),
        *([("--tokenizer", options.tokenizer)] if options.tokenizer else []),
        ("--host", options.host),
        ("--port", str(port)),
        ("--seed", "0"),
        ("--generation-config", "vllm"),
        (_FORMAT, "safetensors"),
        ("--disable-uvicorn-access-log",),
    ]


def _purpose(purpose: Purpose) -> list[tuple[str, ...]]:
    """Embeddings are the last token's hidden state after the last norm, not normalized to length 1."""
    if purpose == "complete":
        return [("--enable-prefix-caching",)]
    return [("--runner", "pooling"), ("--convert", "embed"), ("--pooler-config", json.dumps(_LAST_TOKEN))]


def _hardware(options: ServerOptions, gpus: Sequence[Gpu], mentioned: Mapping[str, str]) -> list[tuple[str, ...]]:
    if not gpus:  # compiling takes minutes on a CPU and gains little; its half precision is bfloat16
        on_cpu = [("--dtype", "bfloat16" if options.dtype == "auto" else options.dtype), ("--enforce-eager",)]
        # With chunked prefill, vLLM 0.32 rewinds a request's random generator after each chunk but the last, which a
        # CPU generator does not support: the server would end with "CPU Generator does not use offset".
        return [*on_cpu, ("--no-enable-chunked-prefill",)] if options.purpose == "complete" else on_cpu
    placed = any(name in mentioned for name in PARALLEL)
    cut = [] if placed or len(gpus) == 1 else [(PARALLEL[0], str(len(gpus)))]
    return [("--dtype", options.dtype), *cut]


def _group(group: Group) -> list[tuple[str, ...]]:
    """Tensor parallel within a machine, pipeline parallel across machines, where the network is slower."""
    return [
        (PARALLEL[2], str(group.nodes)),
        ("--distributed-executor-backend", "mp"),
        ("--nnodes", str(group.nodes)),
        ("--node-rank", str(group.rank)),
        ("--master-addr", group.address),
        ("--master-port", str(group.port)),
        *([("--headless",)] if group.rank else []),
    ]


def _with_port(extra: Sequence[str], port: int) -> list[str]:
    """The user's options with the port of this replica: the first gets the given one, the others count up."""
    words = list(extra)
    for place, word in enumerate(words):
        if word == "--port":
            words[place + 1] = str(port)
        elif word.startswith("--port="):
            words[place] = f"--port={port}"
    return words


def environment(base: Mapping[str, str], gpus: Sequence[Gpu], key: str = "") -> dict[str, str]:
    """The server's environment: no usage reports, only these GPUs, and as its key only the one given here, which no
    process list and no log shows. Of our own keys the server gets those for downloading weights.
    """
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    room = {} if gpus else {"VLLM_CPU_KVCACHE_SPACE": "2"}
    changed = {**quiet, **room, **without_keys(base, but=_FETCHES_WEIGHTS)}
    changed.pop("VLLM_API_KEY", None)
    if key:
        changed["VLLM_API_KEY"] = key
    if gpus:  # our indices are those of nvidia-smi, in the order of the PCI bus
        changed["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        changed["CUDA_VISIBLE_DEVICES"] = ",".join(str(gpu.index) for gpu in gpus)
    return changed
