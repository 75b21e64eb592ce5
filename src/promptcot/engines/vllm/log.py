"""Finds the reason for a server's exit in its log, and suggests a fix.

vLLM prints the cause first, in the process where it happened; every parent process then reports a failure below it.
Those reports are skipped.
"""

from __future__ import annotations

import re
from pathlib import Path

_PREFIX = re.compile(r"^(?:\([^()]*pid=\d+\)\s*)?(?:(?:ERROR|CRITICAL) [\d-]+ [\d:]+ \[[^\]]*\]\s?)?")
_ERROR = re.compile(r"^\s*(?:Value error, .+|[\w.]*(?:Error|Exception): .+|\S+: error: .+)")
_REPORTS = (
    "Engine core init",
    "WorkerProc init",
    "Engine process failed",
    "validation error for",
    "EngineDeadError",
    "Worker failed",
)
_MOST_LINES = 3
_LONGEST = 400
_READ = 1 << 20

_WAYS_OUT = {
    r"out of memory|KV cache|cache blocks|memory utilization|enough memory|Free memory": (
        "give more GPUs (--n_gpus), use quantised weights, or reduce vLLM's memory: "
        "--engine-args '--max-model-len N' or '--gpu-memory-utilization 0.8'; on a CPU set VLLM_CPU_KVCACHE_SPACE (GiB)"
    ),
    r"unrecognized arguments|error: argument": "check --engine-args, which takes the options of vLLM's server",
    r"ddress already in use": "leave --port out of --engine-args, and a free port is used",
    r"HFValidationError|RepositoryNotFound|LocalEntryNotFound|not a valid model|offline mode": (
        "check --model_path: it must be a folder with weights, or the name of a model that has been downloaded"
    ),
    r"max_model_len|max-model-len": "give a smaller --max-model-len in --engine-args",
    r"architectures|not supported|trust_remote_code|trust-remote-code": "this vLLM does not support the model",
}


def tail(log: Path, start: int) -> str:
    """The text of a log from byte `start` on, its last megabyte at most; empty if it cannot be read."""
    try:
        with log.open("rb") as content:
            content.seek(max(start, log.stat().st_size - _READ))
            return content.read().decode(errors="replace")
    except OSError:
        return ""


def reason(text: str) -> str:
    """The lines of a log that explain the error, at most three; its last lines if none does."""
    lines = [line for raw in text.splitlines() if (line := _PREFIX.sub("", raw).rstrip())]
    errors = [line.strip() for line in lines if _ERROR.match(line) and not any(word in line for word in _REPORTS)]
    telling = list(dict.fromkeys(errors)) or [line.strip() for line in lines]
    return "\n".join(line[:_LONGEST] for line in telling[-_MOST_LINES:]) or "(it wrote nothing)"


def way_out(text: str) -> str | None:
    """Advice for a known error."""
    return next((advice for pattern, advice in _WAYS_OUT.items() if re.search(pattern, text, re.IGNORECASE)), None)
