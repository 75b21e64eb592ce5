"""A pretrained model through every engine: greedy replies in its chat format are those of transformers' `generate`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
import transformers

from promptcot.cli import main
from promptcot.engines.local.engine import LocalEngine
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.protocol import Engine
from promptcot.engines.vllm.options import ServerOptions
from promptcot.engines.vllm.placement import CPU
from promptcot.engines.vllm.server import Launch, VllmServer
from promptcot.recipe.schema import Served
from promptcot.records import Completion
from promptcot.storage.json import dumps
from promptcot.storage.paths import beside
from promptcot.storage.rows import read_rows
from tests.integration.real_model import END, NAME, QUESTIONS, chats
from tests.integration.transformers_servers import serving

pytestmark = pytest.mark.engines

torch.set_num_threads(1)

LIMIT = 32
"""Tokens of a reply: some replies end before, others are cut off."""


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share the cores, and threads that wait for each other there take minutes."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="module")
def expected(smollm: Path) -> list[Completion]:
    """What transformers alone draws, one prompt after the other, in float32."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(smollm)
    network = transformers.AutoModelForCausalLM.from_pretrained(smollm, dtype=torch.float32).eval()
    return [_generated(tokenizer, network, question) for question in QUESTIONS]


def _generated(tokenizer: transformers.PreTrainedTokenizerBase, network: torch.nn.Module, text: str) -> Completion:
    turns = [{"role": "user", "content": text}]
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    drawn = network.generate(**ids, do_sample=False, max_new_tokens=LIMIT)[0, ids.input_ids.shape[1] :]
    ended = tokenizer.convert_tokens_to_ids(END) == int(drawn[-1])
    said = tokenizer.decode(drawn, skip_special_tokens=True)
    return Completion(said, "stop" if ended else "length", ids.input_ids.shape[1], len(drawn))


async def replies_of(engine: Engine) -> list[Completion]:
    """All questions asked at once."""
    return list(await asyncio.gather(*map(engine.complete, chats(LIMIT))))


def served(model: str, url: str) -> OpenAIEngine:
    return OpenAIEngine(model, Served(base_url=[url], api_key_env=""))


def told(replies: Sequence[Completion]) -> list[tuple[str, str, int | None]]:
    """What a row keeps of each reply."""
    return [(reply.text, reply.finish_reason, reply.completion_tokens) for reply in replies]


def test_the_questions_end_in_both_ways(expected: list[Completion]) -> None:
    assert {reply.finish_reason for reply in expected} == {"stop", "length"}
    assert len({reply.prompt_tokens for reply in expected}) == len(QUESTIONS)


@pytest.mark.parametrize("shape", [{"workers": 1}, {"workers": 2, "max_batch": 2}], ids=["one batch", "two workers"])
async def test_the_embedded_engine_says_what_transformers_says(
    smollm: Path, expected: list[Completion], shape: dict[str, int]
) -> None:
    engine = LocalEngine(smollm, dtype="float32", **shape)  # type: ignore[arg-type]
    replies = await replies_of(engine)
    await engine.close()
    assert replies == expected


@pytest.fixture(scope="module")
def transformers_url(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`transformers serve` with the model."""
    with serving(smollm, tmp_path_factory.mktemp("transformers") / "serve.log") as url:
        yield url


async def test_transformers_serve_says_it_to_our_client(
    smollm: Path, expected: list[Completion], transformers_url: str
) -> None:
    engine = served(str(smollm), transformers_url)
    replies = await replies_of(engine)
    await engine.close()
    assert [reply.text for reply in replies] == [reply.text for reply in expected]
    assert [reply.finish_reason for reply in replies] == [reply.finish_reason for reply in expected]


@pytest.fixture(scope="module")
def smollm_url(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM's server with the model, as it is: no template and no stop token is given."""
    log = tmp_path_factory.mktemp("vllm") / "vllm.log"
    server = VllmServer(ServerOptions(str(smollm), NAME, dtype="float32"), CPU, Launch(log, patience=300))
    asyncio.run(server.start())
    yield server.urls[0]
    asyncio.run(server.stop())


async def test_vllm_says_it_to_our_client(expected: list[Completion], smollm_url: str) -> None:
    engine = served(NAME, smollm_url)
    replies = await replies_of(engine)
    await engine.close()
    assert told(replies) == told(expected)
    assert [reply.prompt_tokens for reply in replies] == [reply.prompt_tokens for reply in expected]


async def test_vllm_and_the_embedded_engine_score_alike(smollm: Path, smollm_url: str) -> None:
    engines = [LocalEngine(smollm, dtype="float32", workers=1), served(NAME, smollm_url)]
    scores = [await engine.score("The capital of France is", " Paris, as everybody knows.") for engine in engines]
    for engine in engines:
        await engine.close()
    assert scores[0].tokens == scores[1].tokens
    assert scores[0].log_prob == pytest.approx(scores[1].log_prob, abs=1e-2)


def test_a_stage_gets_the_same_rows_from_vllm_and_from_the_embedded_engine(
    smollm: Path, smollm_url: str, tmp_path: Path
) -> None:
    source = tmp_path / "problems.jsonl"
    source.write_bytes(b"".join(dumps({"id": str(n), "problem": text}) for n, text in enumerate(QUESTIONS)))
    command = ["solve", "--data_path", str(source), "--use_chat_template", "true", "--temperature", "0"]
    engines = {
        "local": ["--model_path", str(smollm), "--engine", "local", "--dtype", "float32"],
        "vllm": ["--model_path", NAME, "--base-url", smollm_url],
    }
    rows = {}
    for name, options in engines.items():
        target = tmp_path / f"{name}.jsonl"
        assert main([*command, "--max_len", str(LIMIT), "--output_path", str(target), *options]) == 0
        rows[name] = list(read_rows(target))
    assert {row.pop("model") for row in rows["vllm"]} == {NAME}
    assert len({row.pop("model") for row in rows["local"]}) == 1
    assert rows["vllm"] == rows["local"]
    assert [row["id"] for row in rows["vllm"]] == [str(n) for n in range(len(QUESTIONS))]
    assert all(row["truncated"] == (row["finish_reason"] == "length") for row in rows["vllm"])


def test_a_small_model_as_verifier_decides_little_and_loses_no_row(smollm: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "problems.jsonl", tmp_path / "verified.jsonl"
    source.write_bytes(b"".join(dumps({"id": str(n), "problem": text}) for n, text in enumerate(QUESTIONS[:3])))
    asked = ["--model_path", str(smollm), "--engine", "local", "--use_chat_template", "true", "--max_len", "96"]
    command = ["verify", "--data_path", str(source), "--output_path", str(target), "--votes", "2", "--keep-going"]
    assert main([*command, *asked]) == 0
    passed, dropped = (list(read_rows(path, may_be_empty=True)) for path in (target, beside(target, "dropped.jsonl")))
    assert sorted(row["id"] for row in [*passed, *dropped]) == [str(n) for n in range(3)]
    assert all(sum(row["validity"]["votes"].values()) == 2 for row in [*passed, *dropped])
    assert sum(row["reason"] == "undecided" for row in dropped) >= 2
