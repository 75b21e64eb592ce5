"""A stand-in for vLLM's server: answers /health, has a worker in a session of its own, and can fail on demand.

Usage: fake_vllm.py MODE [options of vLLM's server]; modes: good, deaf (never ready), stubborn (ignores SIGTERM, and
so does its worker), shares (has shared memory with a stubborn worker, named in the log),
fails (ends with an error), taken (says that its port is in use, unless FAKE_PORTS tells of an earlier try).
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path
from types import FrameType

WORKER = "import time; time.sleep(600)"
STUBBORN_WORKER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        words = json.dumps({"argv": sys.argv, "gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}).encode()
        self.send_response(200 if self.path in ("/health", "/v1/arguments") else 404)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, *_: object) -> None:
        pass


def port_is_taken() -> bool:
    tries = Path(os.environ["FAKE_PORTS"])
    first = not tries.exists()
    tries.touch()
    return first


def share_memory() -> list[int]:
    """Take shared memory; the descriptor by which Python's own tracker sees that all who use it have ended."""
    memory = shared_memory.SharedMemory(create=True, size=1)
    print(f"memory={memory.name}", flush=True)
    return [resource_tracker._resource_tracker._fd]  # type: ignore[attr-defined]


def leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


def main(mode: str) -> None:
    print("fake server", mode, flush=True)
    if mode == "fails":
        print(
            "(EngineCore pid=7) ERROR 11-24 01:19:54 [core.py:9] torch.OutOfMemoryError: CUDA out of memory", flush=True
        )
        print("RuntimeError: Engine core initialization failed. See root cause above.", flush=True)
        sys.exit(1)
    if mode == "taken" and port_is_taken():
        print("OSError: [Errno 98] Address already in use", flush=True)
        sys.exit(1)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else leave)
    worker = STUBBORN_WORKER if mode in ("stubborn", "shares") else WORKER
    shared = share_memory() if mode == "shares" else []
    subprocess.Popen([sys.executable, "-ISc", worker], start_new_session=True, pass_fds=shared)
    if mode == "deaf":
        time.sleep(600)
    port = int(sys.argv[sys.argv.index("--port") + 1])
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Health).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
