"""The embedded engine on small random models: same results as transformers, whatever else is in the batch."""

from __future__ import annotations

import asyncio
import gc
import math
import random
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from promptcot import nano
from promptcot.engines.local import worker as local_worker
from promptcot.engines.local.engine import LocalEngine
from promptcot.engines.local.jobs import CompleteJob
from promptcot.errors import EngineUnusable, RequestRefused
from promptcot.records import Completion, Message, Request, Sampling
from tests.integration.tiny_models import KINDS, save_all, save_model
from tests.programs import comes_true

CONTEXT = 128


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return save_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module", params=list(KINDS))
def folder(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Path:
    return folders[request.param]


@pytest.fixture
async def engine(folders: dict[str, Path]) -> AsyncIterator[LocalEngine]:
    engine = LocalEngine(folders["llama"])
    yield engine
    await engine.close()


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the embedded engine used the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


class Reference:
    """The same model without an engine."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.network = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()

    def ids(self, text: str) -> torch.Tensor:
        return torch.tensor([self.tokenizer(text).input_ids])

    @torch.no_grad()
    def greedy(self, prompt: str, max_tokens: int) -> Completion:
        ids = self.ids(prompt)
        mask = torch.ones_like(ids)
        drawn = self.network.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=max_tokens)[0]
        drawn = drawn[ids.shape[1] :]
        ended = int(drawn[-1]) == self.tokenizer.eos_token_id
        text = self.tokenizer.decode(drawn, skip_special_tokens=True)
        return Completion(text, "stop" if ended else "length", ids.shape[1], len(drawn))


def asking(prompt: str, seed: int = 0, **sampling: Any) -> Request:
    return Request(prompt=prompt, seed=seed, sampling=Sampling(**{"max_tokens": 30, **sampling}))


def various(count: int) -> list[Request]:
    """Requests of all lengths and ways to draw."""
    rng = random.Random(0)
    return [
        asking(
            "abc " * rng.randrange(1, 12) + str(number),
            seed=number,
            max_tokens=rng.randrange(1, 24),
            temperature=rng.choice([0.0, 0.7, 1.0]),
            top_p=rng.choice([0.8, 1.0]),
            repetition_penalty=rng.choice([1.0, 1.2]),
            top_k=rng.choice([None, 5]),
            min_p=rng.choice([None, 0.1]),
            presence_penalty=rng.choice([None, 1.0]),
        )
        for number in range(count)
    ]


async def ask_all(engine: LocalEngine, requests: Sequence[Request]) -> list[Completion]:
    return list(await asyncio.gather(*map(engine.complete, requests)))


async def test_greedy_completions_are_those_of_generate(folder: Path) -> None:
    reference, engine = Reference(folder), LocalEngine(folder, max_batch=4, workers=1)
    prompts = ["one", "a longer prompt, and " * 3, "x", "prompt " * 6, "y" * 60, "z z"]
    lengths = [40, 5, 60, 20, 30, 1]
    asked = [
        asking(prompt, temperature=0.0, max_tokens=length) for prompt, length in zip(prompts, lengths, strict=True)
    ]
    replies = await ask_all(engine, asked)
    assert replies == [reference.greedy(prompt, length) for prompt, length in zip(prompts, lengths, strict=True)]
    assert {"length"} <= {reply.finish_reason for reply in replies}
    await engine.close()


async def test_a_completion_does_not_depend_on_its_neighbours(folder: Path) -> None:
    engine = LocalEngine(folder, workers=1)
    requests = various(31)
    together = await ask_all(engine, requests)
    alone = [await engine.complete(request) for request in requests[::6]]
    assert together[::6] == alone
    crowded = LocalEngine(folder, max_batch=3, workers=2)
    assert await ask_all(crowded, requests) == together
    assert len({reply.text for reply in together}) > 20
    await engine.close()
    await crowded.close()


async def test_a_batch_of_hundreds_gives_what_each_call_gives_alone(folders: dict[str, Path]) -> None:
    engine = LocalEngine(folders["llama"], workers=1)
    requests = various(200)
    together = await ask_all(engine, requests)
    assert together[::20] == [await engine.complete(request) for request in requests[::20]]
    await engine.close()


async def test_a_worker_is_filled_before_the_next_and_more_calls_are_shared(folders: dict[str, Path]) -> None:
    engine = LocalEngine(folders["llama"], workers=2)
    loads = [0, 0]
    for worker, place in zip(engine._workers, range(2), strict=True):
        worker.put = lambda job, place=place: loads.__setitem__(place, loads[place] + 1)  # type: ignore[method-assign,misc]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(engine._workers[0]), "load", property(lambda worker: loads[engine._workers.index(worker)]))
        shared = []
        for _ in range(300):
            engine._put(CompleteJob(asking("x")))
            shared.append(tuple(loads))
    assert shared[63] == (64, 0)
    assert shared[127] == (64, 64)
    assert shared[299] == (150, 150)
    await engine.close()


async def test_calls_that_memory_cannot_hold_wait_or_go_back_and_lose_nothing(
    folders: dict[str, Path], engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [asking("p" * (1 + n % 5), seed=n, max_tokens=90) for n in range(16)]
    tight = LocalEngine(folders["llama"], workers=1)
    await tight.complete(requests[0])
    batch = tight._workers[0]._batch
    batch._memory = batch._bytes(8, 40)
    surplus, went_back = batch.surplus, []

    def watched() -> list[int]:
        went_back.extend(rows := surplus())
        return rows

    monkeypatch.setattr(batch, "surplus", watched)
    assert await ask_all(tight, requests) == await ask_all(engine, requests)
    assert went_back
    await tight.close()


async def test_the_seed_decides(engine: LocalEngine) -> None:
    texts = [(await engine.complete(asking("once", seed=seed))).text for seed in (1, 2, 1, 3)]
    assert texts[0] == texts[2]
    assert len(set(texts)) == 3


async def test_a_presence_penalty_counts_the_completion_and_not_the_prompt(engine: LocalEngine) -> None:
    greedy = {"temperature": 0.0, "max_tokens": 40}
    plain = await engine.complete(asking("a b c", **greedy))
    never_again = await engine.complete(asking("a b c", presence_penalty=2.0, repetition_penalty=1.0, **greedy))
    assert never_again.text[:1] == plain.text[:1]  # nothing is written yet
    often = await engine.complete(asking("a b c", presence_penalty=-2.0, **greedy))
    assert len(set(often.text)) <= len(set(plain.text)) <= len(set(never_again.text))


async def test_of_the_one_likeliest_token_every_seed_draws_what_greedy_takes(engine: LocalEngine) -> None:
    greedy = await engine.complete(asking("tell", temperature=0.0))
    for restricted in ({"top_k": 1}, {"min_p": 1.0}):
        assert await engine.complete(asking("tell", seed=3, temperature=2.0, **restricted)) == greedy


async def test_text_ends_before_the_first_stop_string(engine: LocalEngine) -> None:
    whole = (await engine.complete(asking("tell", seed=5, max_tokens=60))).text
    stop = (whole[20:23], whole[10:12])
    cut = await engine.complete(asking("tell", seed=5, max_tokens=60, stop=stop))
    assert cut.text == whole[: min(whole.find(string) for string in stop)]
    assert cut.finish_reason == "stop"
    assert cut.completion_tokens is not None
    assert cut.completion_tokens < 60
    missing = await engine.complete(asking("tell", seed=5, max_tokens=60, stop=("\N{SNOWMAN}",)))
    assert missing.text == whole


async def test_the_context_bounds_prompt_and_completion(engine: LocalEngine) -> None:
    fits = await engine.complete(asking("a" * (CONTEXT - 1), max_tokens=50))
    assert (fits.prompt_tokens, fits.completion_tokens) == (CONTEXT - 1, 1)
    with pytest.raises(RequestRefused, match="context is 128") as refused:
        await engine.complete(asking("a" * CONTEXT))
    assert refused.value.cause == "over-long"
    with pytest.raises(RequestRefused) as refused:
        await engine.score("a" * 100, "b" * 100)
    assert refused.value.cause == "over-long"


async def test_a_cancelled_call_leaves_the_batch_and_the_others_go_on(engine: LocalEngine) -> None:
    expected = await engine.complete(asking("stay", seed=1, max_tokens=100))
    gone = [asyncio.create_task(engine.complete(asking("go", seed=seed, max_tokens=110))) for seed in range(8)]
    stays = asyncio.create_task(engine.complete(asking("stay", seed=1, max_tokens=100)))
    await comes_true(lambda: len(engine._workers[0]._batch) > 0)
    for task in gone:
        task.cancel()
    assert await stays == expected
    await asyncio.wait(gone)
    assert any(task.cancelled() for task in gone)
    assert await engine.complete(asking("stay", seed=1, max_tokens=100)) == expected
    await comes_true(lambda: sum(len(worker._batch) for worker in engine._workers) == 0)


async def test_embeddings_are_the_last_hidden_state_of_each_text_alone(folder: Path) -> None:
    reference, engine = Reference(folder), LocalEngine(folder, tokens_at_once=64)
    texts = ["one", "number of divisors", "a", "lattice points in a rectangle " * 2, "b b", "c" * 40]
    vectors = await engine.embed(texts)
    assert vectors.shape == (len(texts), 32)
    assert vectors.dtype == np.float32
    for text, vector in zip(texts, vectors, strict=True):
        with torch.no_grad():
            states = reference.network(reference.ids(text), output_hidden_states=True).hidden_states[-1]
        np.testing.assert_allclose(vector, states[0, -1].numpy(), atol=1e-5)
    assert (await engine.embed([])).shape == (0, 32)
    await engine.close()


async def test_a_score_is_the_sum_of_the_continuations_log_probabilities(folder: Path) -> None:
    reference, engine = Reference(folder), LocalEngine(folder)
    pairs = [("ab", "c"), ("a longer prompt: ", "and what follows"), ("x" * 50, "y" * 20), ("q", "")]
    scores = await asyncio.gather(*(engine.score(prompt, continuation) for prompt, continuation in pairs))
    for (prompt, continuation), score in zip(pairs, scores, strict=True):
        ids = reference.ids(prompt + continuation)
        with torch.no_grad():
            table = reference.network(ids).logits.log_softmax(dim=-1)[0]
        first = len(prompt)
        expected = sum(float(table[place - 1, ids[0, place]]) for place in range(first, ids.shape[1]))
        assert score.tokens == len(continuation)
        assert math.isclose(score.log_prob, expected, abs_tol=1e-4)
    await engine.close()


async def test_messages_go_through_the_chat_template(folders: dict[str, Path]) -> None:
    engine = LocalEngine(folders["qwen2"])
    sampling = Sampling(temperature=0.0, max_tokens=10)
    chat = await engine.complete(
        Request(messages=(Message("system", "be brief"), Message("user", "hi")), sampling=sampling)
    )
    raw = await engine.complete(Request(prompt="system: be brief\nuser: hi\nassistant:", sampling=sampling))
    assert chat == raw
    await engine.close()


async def test_a_text_that_cannot_be_tokenised_is_refused_alone(engine: LocalEngine) -> None:
    for call in (engine.complete(asking("a \ud800 b")), engine.score("a", "\udfff"), engine.embed(["a", "\ud800"])):
        with pytest.raises(RequestRefused, match="cannot be tokenised"):
            await call
    assert (await engine.complete(asking("a"))).text


async def test_messages_that_the_template_refuses_are_refused_alone(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m", "llama", chat=True)
    (folder / "chat_template.jinja").write_text("{{ raise_exception('only users') }}")
    engine = LocalEngine(folder)
    with pytest.raises(RequestRefused, match="only users"):
        await engine.complete(Request(messages=(Message("system", "hi"),)))
    assert (await engine.complete(asking("a"))).text
    await engine.close()


async def test_messages_without_a_chat_template_are_unusable(engine: LocalEngine) -> None:
    with pytest.raises(EngineUnusable, match="no chat template"):
        await engine.complete(Request(messages=(Message("user", "hi"),)))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
async def test_other_number_types_work(folders: dict[str, Path], dtype: Any) -> None:
    engine = LocalEngine(folders["llama"], dtype=dtype)
    reply = await engine.complete(asking("a", max_tokens=5))
    assert reply.completion_tokens
    assert np.isfinite(await engine.embed(["a"])).all()
    await engine.close()


async def test_logits_that_are_not_finite_fail_the_call_and_not_its_neighbours(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "m", "llama")
    engine = LocalEngine(folder, workers=1)
    expected = await ask_all(engine, various(6))
    embedding = engine._workers[0]._model.network.get_input_embeddings().weight
    with torch.no_grad():
        embedding[Reference(folder).ids("!")[0, 0]] = math.nan
    results = await asyncio.gather(
        *(engine.complete(request) for request in [asking("!"), *various(6), asking("!!!!!!!!!!!!!!!")]),
        return_exceptions=True,
    )
    assert all(isinstance(result, RequestRefused) and result.cause == "not-finite" for result in results[::7])
    untouched = [reply for reply in expected if "!" not in reply.text]
    assert untouched
    assert [reply for reply in results[1:-1] if reply in untouched] == untouched
    again = await asyncio.gather(*map(engine.complete, various(6)), return_exceptions=True)
    assert [reply for reply in again if reply in untouched] == untouched
    await engine.close()


async def test_closing_cancels_what_is_in_flight_and_ends_the_threads(folders: dict[str, Path]) -> None:
    engine = LocalEngine(folders["llama"])
    calls = [asyncio.create_task(engine.complete(asking("a", seed=seed, max_tokens=120))) for seed in range(100)]
    await asyncio.sleep(0)
    await engine.close()
    await engine.close()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert any(isinstance(result, asyncio.CancelledError) for result in results)
    with pytest.raises(EngineUnusable, match="closed"):
        await engine.complete(asking("a"))
    assert not any(worker._thread.is_alive() for worker in engine._workers)


async def test_an_engine_that_is_forgotten_ends_its_threads(folders: dict[str, Path]) -> None:
    engine = LocalEngine(folders["llama"])
    await engine.complete(asking("a", max_tokens=2))
    threads = [worker._thread for worker in engine._workers]
    del engine
    gc.collect()
    assert not any(thread.is_alive() for thread in threads)


async def test_an_error_in_the_worker_reaches_all_who_wait(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise RuntimeError("the device is on fire")

    for broken in ("join", "step"):
        engine = LocalEngine(folders["llama"], workers=1)
        monkeypatch.setattr(local_worker.Batch, broken, explode)
        results = await asyncio.gather(
            *(engine.complete(asking("a", seed=seed)) for seed in range(70)),
            engine.embed(["a"]),
            return_exceptions=True,
        )
        assert all(isinstance(result, EngineUnusable) and "on fire" in str(result) for result in results[:70])
        with pytest.raises(EngineUnusable, match="on fire"):
            await engine.complete(asking("a"))
        await engine.close()
        monkeypatch.undo()


async def test_models_that_are_opened_at_the_same_time_leave_transformers_as_it_was() -> None:
    """While it loads, transformers puts an empty function in the place of its own; two loads can keep it there."""
    kept = ("init_weights", "tie_weights")
    before = [getattr(transformers.PreTrainedModel, name) for name in kept]
    for _ in range(5):
        engines = await asyncio.gather(*(asyncio.to_thread(LocalEngine, nano.path(role)) for role in nano.ROLES))
        for engine in engines:
            await engine.close()
    assert [getattr(transformers.PreTrainedModel, name) for name in kept] == before
