"""Which engine serves a model, and that each distinct model is opened once and closed in any case."""

from pathlib import Path
from typing import Any

import pytest

from promptcot.engines import opening
from promptcot.engines.machine import Gpu
from promptcot.engines.openai.engine import OpenAIEngine
from promptcot.engines.opening import Engines, kind_of
from promptcot.engines.scripted import ScriptedEngine
from promptcot.engines.vllm.engine import VllmEngine
from promptcot.errors import InputError
from promptcot.mock_server import MockOptions, MockServer
from promptcot.nano import judge_role, resolve
from promptcot.recipe.schema import Encode, Generator, Judge, Served
from promptcot.records import Request

URL = "http://127.0.0.1:1/v1"
GPU = object.__new__(Gpu)

KINDS = [
    ("the embedded models", {}, [], True, "local"),
    ("the embedded models where there is a GPU", {"model": "nano:judge-a"}, [GPU], True, "local"),
    ("a folder without a GPU", {"model": "some/model"}, [], True, "local"),
    ("a folder, a GPU and vLLM", {"model": "some/model"}, [GPU], True, "vllm"),
    ("a folder and a GPU, no vLLM", {"model": "some/model"}, [GPU], False, "local"),
    ("what the user says", {"model": "some/model", "engine": "local"}, [GPU], True, "local"),
    ("vLLM on the CPU", {"model": "some/model", "engine": "vllm"}, [], True, "vllm"),
    ("a server", {"model": "some/model", "base_url": URL}, [GPU], True, "openai"),
    ("a server, the model not named", {"base_url": URL}, [GPU], True, "openai"),
]


@pytest.mark.parametrize(("spec", "gpus", "has_vllm", "kind"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_who_serves_a_model(
    monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], gpus: list[Gpu], has_vllm: bool, kind: str
) -> None:
    monkeypatch.setattr(opening, "visible_gpus", lambda: gpus)
    monkeypatch.setattr(opening.importlib.util, "find_spec", lambda _: object() if has_vllm else None)
    assert kind_of(Served(**spec)) == kind


async def test_stages_that_ask_the_same_model_share_an_engine(tmp_path: Path) -> None:
    engines = Engines(tmp_path)
    common = {"model": "m", "base_url": [URL]}
    generator = await engines.open(Generator(**common, temperature=1.0, price={"prompt": 1, "completion": 2}), "x")
    judge = await engines.open(Judge(**common, name="a", temperature=0.6), "y")
    assert judge is generator
    others = [{"model": "n"}, {"base_url": [f"{URL}2"]}, {"extra_body": {"top_k": 1}}, {"omit": ["seed"]}]
    opened = [await engines.open(Judge(**{**common, **other}, name="b"), "y") for other in others]
    assert len({id(engine) for engine in [generator, *opened]}) == 5
    await engines.close()


async def test_fields_for_every_request_change_the_name_whoever_serves_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "visible_gpus", lambda: [])
    engines = Engines(tmp_path)
    for served in ({"model": "m", "base_url": URL}, {"model": str(resolve("nano", "solver")), "engine": "vllm"}):
        names = {(await engines.open(Served(**served, extra_body=extra), "x")).model for extra in ({}, {"top_k": 1})}
        assert len(names) == 2
    await engines.close()


async def test_a_vllm_server_that_embeds_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "visible_gpus", lambda: [])
    engines, model = Engines(tmp_path), str(resolve("nano", "solver"))
    writer = await engines.open(Generator(model=model, engine="vllm"), "generator")
    encoder = await engines.open(Encode(model=model, engine="vllm"), "generator")
    assert isinstance(writer, VllmEngine)
    assert isinstance(encoder, VllmEngine)
    assert writer is not encoder
    assert writer.model == encoder.model
    assert "@" in writer.model  # the name tells one set of weights from another
    await engines.close()


async def test_more_gpus_than_there_are_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "visible_gpus", lambda: [])
    monkeypatch.setattr("promptcot.engines.vllm.server.visible_gpus", lambda: [])
    model = str(resolve("nano", "solver"))
    for engine in ("vllm", "local"):
        with pytest.raises(InputError, match="4"):
            await Engines(tmp_path).open(Served(model=model, engine=engine, n_gpus=4), "generator")


def test_models_that_are_not_vllms_need_no_place(tmp_path: Path) -> None:
    assert Engines(tmp_path).place([(Served(), "generator"), (Served(model="m", base_url=URL), "judge-a")])


async def test_the_only_model_of_a_server_need_not_be_named(tmp_path: Path) -> None:
    async with MockServer(MockOptions(models=("the-one",))) as server:
        engines = Engines(tmp_path)
        engine = await engines.open(Served(base_url=server.url), "generator")
        assert isinstance(engine, OpenAIEngine)
        assert engine.served_model == engine.model == "the-one"
        await engines.close()


async def test_a_server_with_several_models_wants_one_named(tmp_path: Path) -> None:
    async with MockServer(MockOptions(models=("one", "two"))) as server:
        with pytest.raises(InputError, match=r"several models: one, two\nName the model"):
            await Engines(tmp_path).open(Served(base_url=server.url), "generator")
        engines = Engines(tmp_path)
        assert (await engines.open(Served(base_url=server.url, model="two"), "generator")).model == "two"
        await engines.close()


async def test_an_address_without_v1_is_corrected_when_the_model_is_looked_for(tmp_path: Path) -> None:
    async with MockServer(MockOptions()) as server:
        with pytest.raises(InputError, match=f"use --base-url {server.url} "):
            await Engines(tmp_path).open(Served(base_url=server.root), "generator")


async def test_nobody_there_when_the_model_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not answer[^\n]*\nIs the server running"):
        await Engines(tmp_path).open(Served(base_url=URL), "generator")


async def test_one_engine_that_cannot_be_closed_leaves_no_other_open(tmp_path: Path) -> None:
    closed: list[str] = []

    class Stubborn(ScriptedEngine):
        async def close(self) -> None:
            closed.append(self.model)
            if self.model == "b":
                raise OSError("it will not go")

    engines = Engines(tmp_path)
    engines._opened = {name: Stubborn(lambda _: "x", model=name) for name in "abc"}
    with pytest.raises(OSError, match="will not go"):
        await engines.close()
    assert sorted(closed) == ["a", "b", "c"]


def test_what_engines_say_of_themselves_is_one_line_without_those_that_say_nothing(tmp_path: Path) -> None:
    class Told(ScriptedEngine):
        note: Any = None

    engines = Engines(tmp_path)
    engines._opened = {str(note): Told(lambda _: "x") for note in ("a", "", None, 3, "b")}
    for note, engine in zip(("a", "", None, 3, "b"), engines._opened.values(), strict=True):
        engine.note = note  # type: ignore[attr-defined]
    assert engines.note == "a; b"


def test_what_nano_means_for_a_judge() -> None:
    assert (judge_role("b"), judge_role("judge-b"), judge_role("somebody")) == ("judge-b", "judge-b", "judge-a")
    assert Path(resolve("nano:solver", "generator")).name == "solver"
    assert resolve("some/model", "generator") == "some/model"


async def test_a_model_that_is_loaded_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptcot.engines.local.engine.LocalEngine", lambda *_, **__: ScriptedEngine(lambda _: "x"))
    told: list[str] = []
    engine = await Engines(tmp_path, told.append).open(Generator(), "generator")
    assert told == []
    await engine.complete(Request(prompt="p"))
    await engine.complete(Request(prompt="q"))
    assert told == ["loading nano:generator"]
