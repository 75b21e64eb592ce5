"""The options of vLLM's server: those that we set, those that a user may set, and its environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptcot.engines.machine import Gpu
from promptcot.engines.vllm.options import Group, ServerOptions, command, environment, given
from promptcot.engines.vllm.placement import CPU
from promptcot.engines.vllm.server import Launch, VllmServer
from promptcot.errors import InputError

GPUS = [Gpu(place, f"GPU-{place}", "H100", 80 << 30, 80 << 30) for place in range(4)]


def options(**changes: Any) -> ServerOptions:
    return ServerOptions(**{"model": "org/model", "served_name": "model", **changes})


def test_what_we_choose_on_a_cpu() -> None:
    words = command(options(), [], 8123)
    assert given(words) == {
        "--model": "org/model",
        "--served-model-name": "model",
        "--host": "127.0.0.1",
        "--port": "8123",
        "--seed": "0",
        "--generation-config": "vllm",
        "--load-format": "safetensors",
        "--disable-uvicorn-access-log": "",
        "--enable-prefix-caching": "",
        "--dtype": "bfloat16",
        "--enforce-eager": "",
        "--enable-chunked-prefill": "",  # "--no-enable-chunked-prefill"
    }
    assert "--no-enable-chunked-prefill" in words
    assert "--no-enable-chunked-prefill" not in command(options(purpose="embed"), [], 1)
    assert "--no-enable-chunked-prefill" not in command(options(), GPUS, 1)
    assert given(command(options(dtype="float32"), [], 1))["--dtype"] == "float32"


def test_on_gpus_cuda_graphs_stay_on_and_a_large_model_is_cut() -> None:
    assert "--enforce-eager" not in command(options(), GPUS[:1], 1)
    assert "--tensor-parallel-size" not in given(command(options(), GPUS[:1], 1))
    assert given(command(options(), GPUS, 1))["--tensor-parallel-size"] == "4"
    assert given(command(options(), GPUS, 1))["--dtype"] == "auto"


def test_embeddings_are_the_last_tokens_and_not_scaled() -> None:
    words = given(command(options(purpose="embed"), [], 1))
    assert (words["--runner"], words["--convert"]) == ("pooling", "embed")
    assert json.loads(words["--pooler-config"]) == {"pooling_type": "LAST", "use_activation": False}


def test_the_users_options_replace_ours_and_stay_word_for_word() -> None:
    extra = ("--no-enforce_eager", "--dtype=float16", "--no-enable-prefix-caching", "-O3", "--seed", "-1")
    words = command(options(extra=extra), [], 1)
    assert tuple(words[-len(extra) :]) == extra
    ours = given(words[: -len(extra)])
    assert {"--enforce-eager", "--dtype", "--enable-prefix-caching", "--seed"} & set(ours) == set()
    assert "--no-enable-chunked-prefill" not in command(options(extra=("--enable-chunked-prefill",)), [], 1)


@pytest.mark.parametrize("name", ["-tp", "--tensor_parallel_size", "--data-parallel-size", "-dp", "-pp"])
def test_a_placement_by_the_user_is_not_doubled(name: str) -> None:
    words = command(options(extra=(name, "2")), GPUS, 1)
    assert sum("parallel" in word or word == name for word in words) == 1


@pytest.mark.parametrize(
    "extra",
    [
        ("--model", "x"),
        ("--api-key=k",),
        ("--api-k", "k"),
        ("--hf_token", "s"),
        ("--ssl-keyfile", "f"),
        ("--ssl-k=f",),
        ("--config", "f"),
    ],
)
def test_options_that_would_cut_us_off_are_refused_without_their_value(extra: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match=r"--engine-args: --[a-z-]+ cannot be set here: \w+"):
        options(extra=extra)


@pytest.mark.parametrize(
    "extra",
    [
        *[("--load-format", name) for name in ("auto", "pt", "hf", "npcache", "tensorizer", "PT", "gguf", "")],
        ("--load_format=pt",),
        ("--load-f", "pt"),  # vLLM takes the beginning of a name for the name
        ("--load-format", "safetensors", "--load-format", "pt"),
        ("--speculative-config", '{"model": "m", "draft_load_config": {"load_format": "pt"}}'),
        ("--speculative-config.draft_load_config.load_format", "pt"),
    ],
)
def test_formats_of_weights_that_can_hold_code_are_refused(extra: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="safetensors"):
        options(extra=extra)


@pytest.mark.parametrize("name", ["safetensors", "fastsafetensors", "mistral", "sharded_state", "runai_streamer"])
def test_the_user_chooses_among_the_ways_to_read_safetensors(name: str) -> None:
    assert command(options(extra=("--load-format", name)), [], 1).count("--load-format") == 1
    assert given(command(options(extra=("--load-format", name)), [], 1))["--load-format"] == name


def test_embeddings_and_each_part_of_a_group_read_safetensors_too() -> None:
    for one in (options(purpose="embed"), options(group=Group(2, 1, "10.0.0.1", 2345))):
        assert given(command(one, GPUS, 1))["--load-format"] == "safetensors"


def test_the_users_port_belongs_to_the_first_copy(tmp_path: Path) -> None:
    assert command(options(extra=("--port", "9000")), [], 9001)[-2:] == ["--port", "9001"]
    assert command(options(extra=("--port=9000",)), [], 9001)[-1] == "--port=9001"
    with pytest.raises(InputError, match="--port needs a whole number, not 'http'"):
        VllmServer(ServerOptions("m", "m", extra=("--port", "http")), CPU, Launch(tmp_path / "log"))


def test_the_environment_names_the_gpus_and_reports_to_nobody() -> None:
    base = {"PATH": "/bin", "VLLM_API_KEY": "secret", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}
    on_gpus = environment(base, GPUS[2:])
    assert on_gpus["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert on_gpus["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert on_gpus["VLLM_NO_USAGE_STATS"] == on_gpus["DO_NOT_TRACK"] == "1"
    assert "VLLM_API_KEY" not in on_gpus
    assert environment(base, [])["VLLM_CPU_KVCACHE_SPACE"] == "2"
    assert environment({"VLLM_CPU_KVCACHE_SPACE": "7"}, [])["VLLM_CPU_KVCACHE_SPACE"] == "7"
    assert base["VLLM_API_KEY"] == "secret"


def test_the_server_gets_keys_to_fetch_weights_with_and_no_others() -> None:
    base = {"HF_TOKEN": "a", "AWS_SECRET_ACCESS_KEY": "b", "OPENAI_API_KEY": "c", "WANDB_API_KEY": "d", "HOME": "/me"}
    assert environment(base, [], "e").keys() >= {"HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "VLLM_API_KEY", "HOME"}
    assert not environment(base, [], "e").keys() & {"OPENAI_API_KEY", "WANDB_API_KEY"}
