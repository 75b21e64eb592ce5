"""A real vLLM server as a child process on the CPU: it answers like the embedded engine, and it stops."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from promptcot import nano
from promptcot.engines.local.engine import LocalEngine
from promptcot.engines.vllm.guard import descendants
from promptcot.engines.vllm.options import ServerOptions
from promptcot.engines.vllm.placement import CPU
from promptcot.engines.vllm.server import Launch, VllmServer
from promptcot.errors import EngineUnusable
from promptcot.records import Request, Sampling
from tests.integration.vllm_servers import SERVED_NAME
from tests.programs import PATIENCE, runs, started, wait_for_the_end_of

pytestmark = pytest.mark.engines

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PROMPT = "Write a problem with these concepts:\n1. Addition\n2. Ratio\n"
TEXTS = ["addition", "ratio and proportion", "a", "greatest common divisor of two numbers", "9 + 16 = 25"]


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with DIRECT.open(request, timeout=PATIENCE) as reply:
        found: dict[str, Any] = json.load(reply)
    return found


def log_probabilities(choice: dict[str, Any]) -> list[float]:
    """Of each prompt token but the first, where no other candidates were asked for."""
    return [next(iter(place.values()))["logprob"] for place in choice["prompt_logprobs"][1:]]


async def test_greedy_completions_are_those_of_the_embedded_engine(vllm_url: str) -> None:
    body = {"model": SERVED_NAME, "prompt": PROMPT, "temperature": 0, "max_tokens": 40}
    [choice] = post(f"{vllm_url}/completions", body)["choices"]
    engine = LocalEngine(nano.path("generator"))
    completion = await engine.complete(Request(prompt=PROMPT, sampling=Sampling(temperature=0, max_tokens=40)))
    await engine.close()
    assert choice["text"] == completion.text != ""
    assert choice["finish_reason"] == completion.finish_reason


def test_a_seed_settles_what_is_drawn(vllm_url: str) -> None:
    def drawn(seed: int) -> str:
        body = {"model": SERVED_NAME, "prompt": PROMPT, "temperature": 1.5, "max_tokens": 30, "seed": seed}
        text: str = post(f"{vllm_url}/completions", body)["choices"][0]["text"]
        return text

    assert drawn(1) == drawn(1)
    assert len({drawn(seed) for seed in range(4)}) > 1


def test_prompts_with_seeds_that_are_too_many_for_one_step_do_not_end_the_server(vllm_url: str) -> None:
    """Read in parts, they did: a generator of the CPU cannot be wound back."""
    prompts = [f"{place}. {PROMPT * 12}" for place in range(24)]
    body = {"model": SERVED_NAME, "prompt": prompts, "temperature": 1, "max_tokens": 2, "seed": 1}
    reply = post(f"{vllm_url}/completions", body)
    assert len(reply["choices"]) == len(prompts)
    assert reply["usage"]["prompt_tokens"] > 3 * 2048


def test_the_folders_generation_config_stops_texts_and_no_more(vllm_url: str) -> None:
    body = {"model": SERVED_NAME, "prompt": PROMPT, "max_tokens": 5}
    assert post(f"{vllm_url}/completions", body)["usage"]["completion_tokens"] <= 5


def test_chat_uses_the_template_that_the_user_passed_on(vllm_url: str) -> None:
    chat = {"model": SERVED_NAME, "messages": [{"role": "user", "content": "hello"}], "temperature": 0, "max_tokens": 8}
    raw = {"model": SERVED_NAME, "prompt": "user: hello\nassistant:", "temperature": 0, "max_tokens": 8}
    [told], [completed] = (
        post(f"{vllm_url}/chat/completions", chat)["choices"],
        post(f"{vllm_url}/completions", raw)["choices"],
    )
    assert told["message"]["content"] == completed["text"]


async def test_prompt_log_probabilities_are_those_of_the_embedded_engine(vllm_url: str) -> None:
    first, continuation = "Two", " numbers add to 25"
    body = {"model": SERVED_NAME, "prompt": first + continuation, "max_tokens": 1, "prompt_logprobs": 0}
    [choice] = post(f"{vllm_url}/completions", body)["choices"]
    engine = LocalEngine(nano.path("generator"))
    whole = await engine.score(first, continuation)
    await engine.close()
    of_continuation = log_probabilities(choice)[-whole.tokens :]
    assert len(of_continuation) == whole.tokens
    assert sum(of_continuation) == pytest.approx(whole.log_prob, abs=1e-3)


def test_an_unknown_model_is_refused_by_name(vllm_url: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        post(f"{vllm_url}/completions", {"model": "other", "prompt": "a"})
    with caught.value as reply:
        assert "other" in reply.read().decode()


async def test_embeddings_are_the_last_hidden_states_and_a_stop_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VLLM_LOGGING_LEVEL", raising=False)  # TRL sets it when it is imported
    folder, log = nano.path("generator"), tmp_path / "embed.log"
    server = VllmServer(
        ServerOptions(str(folder), "e", dtype="float32", purpose="embed"), CPU, Launch(log, patience=300, grace=30)
    )
    [url] = await server.start()
    below = descendants(os.getpid())
    data = post(f"{url}/embeddings", {"model": "e", "input": TEXTS})["data"]
    await server.stop()
    assert "EngineCore" in log.read_text()
    assert server.last_words.startswith("vLLM's server ended with exit code 0")
    shared = descendants(os.getpid())
    assert len(below) - len(shared) >= 4, "guard, server, engine core, worker"
    assert not any(runs(pid) for pid in below if pid not in shared)
    engine = LocalEngine(folder)
    expected = await engine.embed(TEXTS)
    await engine.close()
    vectors = np.array([item["embedding"] for item in data], np.float32)
    np.testing.assert_allclose(vectors, expected, rtol=1e-3, atol=1e-3)


PARENT = """
import asyncio, sys
from pathlib import Path
from promptcot import nano
from promptcot.engines.vllm.options import ServerOptions
from promptcot.engines.vllm.placement import CPU
from promptcot.engines.vllm.server import Launch, VllmServer
from promptcot.errors import EngineUnusable

async def main():
    options = ServerOptions(str(nano.path("generator")), "m")
    server = VllmServer(options, CPU, Launch(Path(sys.argv[1]), patience=300))
    await server.start()
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_no_process_is_left_of_a_killed_run(tmp_path: Path) -> None:
    with started([sys.executable, "-c", PARENT, str(tmp_path / "log")], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        below = descendants(parent.pid)
        os.kill(parent.pid, signal.SIGKILL)
    assert len(below) >= 4, "guard, server, engine core, worker"
    wait_for_the_end_of(below)


async def test_vllm_itself_opens_no_pickle(tmp_path: Path) -> None:
    """What `--load-format safetensors` means to it; our own look at the folder is left out."""
    import torch
    from safetensors.torch import load_file

    folder, log = shutil.copytree(nano.path("generator"), tmp_path / "model"), tmp_path / "vllm.log"
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    server = VllmServer(ServerOptions(str(folder), "pickled", dtype="float32"), CPU, Launch(log, patience=300))
    with pytest.raises(EngineUnusable, match="Cannot find any model weights"):
        await server.start()
    await server.stop()
