"""The checks of `promptcot doctor`, on simulated machines and folders."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from promptcot import domains
from promptcot.cli import doctor as cli
from promptcot.doctor import machine, models
from promptcot.doctor.estimate import Estimate
from promptcot.doctor.findings import Finding, note, problem, problem_of
from promptcot.doctor.watching import Watch, WatchingRunner
from promptcot.engines import model_files, opening
from promptcot.engines.machine import Gpu
from promptcot.engines.vllm import server as vllm_server
from promptcot.errors import EngineUnusable
from promptcot.pipeline.plan import PlannedStep, asking, steps_of
from promptcot.recipe.loading import load, parse
from promptcot.recipe.recipe import Recipe
from promptcot.records import Completion
from promptcot.storage.counts import StageCounts

GB = 10**9


def marks(findings: Sequence[Finding]) -> list[str]:
    return [finding.mark for finding in findings]


def words(findings: Sequence[Finding]) -> str:
    return "\n".join(f"{finding.mark} {finding.what} {finding.way_out}" for finding in findings)


def recipe_of(*judges: dict[str, Any], **generate: Any) -> Recipe:
    return parse({"encode": {"skip": True}, "generate": generate, "judge": list(judges) or [{"name": "a"}]})


def with_gpus(monkeypatch: pytest.MonkeyPatch, count: int, gigabytes: int = 80) -> None:
    gpus = [Gpu(place, f"GPU-{place}", "Test GPU", gigabytes * GB, gigabytes * GB) for place in range(count)]
    for module in (machine, models, opening, vllm_server):
        monkeypatch.setattr(module, "visible_gpus", lambda: gpus)


def model(folder: Path, *, template: bool = False, **config: Any) -> str:
    """A folder that looks like a model's, with a tokenizer that loads."""
    folder.mkdir()
    shape = {"num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 8192}
    (folder / "config.json").write_text(json.dumps({**shape, **config}))
    (folder / "model.safetensors").write_bytes(bytes(1000))
    (folder / "tokenizer.json").write_bytes((opening.local_folder("nano", "generator") / "tokenizer.json").read_bytes())
    if template:
        (folder / "chat_template.jinja").write_text("{{ messages }}")
    return str(folder)


def sized(folder: Path, size: int) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": size}}))


def steps(recipe: Recipe) -> list[PlannedStep]:
    return steps_of(recipe, domains.load(recipe.prompts))


def models_of(recipe: Recipe) -> list[models.Asked]:
    return models.models_of(steps(recipe))


def look(recipe: Recipe, place: int = 0) -> list[Finding]:
    return list(models.look_at_model(models_of(recipe)[place]))


def test_an_error_is_split_into_what_is_wrong_and_the_way_out() -> None:
    found = problem_of(EngineUnusable("it answers 401\nset the key\n in KEY"))
    assert found == problem("it answers 401", "set the key in KEY")


def test_a_line_fits_into_100_columns_and_breaks_no_address() -> None:
    url = "http://a-host-with-dashes.example/v1"
    lines = (" " * 11 + cli._words(problem(f"{'word ' * 20}{url}", "do something else " * 5))).splitlines()
    assert len(lines) > 1
    assert max(map(len, lines)) <= 100
    assert any(url in line for line in lines)
    assert lines[1].startswith(" " * 11)


def test_a_library_that_the_recipe_needs_is_a_problem_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "version_of", lambda library: None if library in ("vllm", "trl") else "1.0")
    recipe = recipe_of(model="Llama-3.1-8B", engine="vllm")
    needed = machine.needed_by(recipe, [recipe.generate])
    assert needed == {"vllm", "aiohttp"}
    found = list(machine._libraries(needed))
    assert problem("vllm is needed and not installed", "install it: pip install 'promptcot[vllm]'") in found
    assert note("not installed, and not needed for this: trl") in found


def test_an_output_that_cannot_be_written_to_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine._disk(tmp_path / "not" / "yet").mark == "ok"
    monkeypatch.setattr(machine.os, "access", lambda path, mode: False)
    assert machine._disk(tmp_path / "not" / "yet").mark == "problem"


def test_steps_that_ask_the_same_model_are_looked_at_once() -> None:
    server = {"base_url": "http://h/v1"}
    recipe = recipe_of({"name": "a", **server}, {"name": "b", "model": "other", **server}, **server)
    assert [asked.steps for asked in models_of(recipe)] == [["generate", "judge-a"], ["judge-b"]]


def test_the_embedded_model_of_each_role_is_another_one() -> None:
    asked = models_of(load("nano"))
    assert [one.steps for one in asked] == [["encode", "generate"], ["judge-a"], ["judge-b"], ["verify"], ["solve"]]


def test_a_chat_without_a_chat_template_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    path = model(tmp_path / "m")
    assert "problem" not in marks(look(recipe_of(model=path)))
    [found] = [finding for finding in look(recipe_of(model=path, chat=True)) if finding.mark == "problem"]
    assert "no chat template" in found.what
    assert "chat = false" in found.way_out


@pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer_config.json", "chat_template.json"])
def test_a_chat_template_is_found_in_each_of_its_places(tmp_path: Path, name: str) -> None:
    assert not model_files.has_chat_template(tmp_path)
    (tmp_path / name).write_text("{}" if name.endswith("json") else "{{ messages }}")
    assert model_files.has_chat_template(tmp_path) is name.endswith("jinja")
    (tmp_path / name).write_text('{"chat_template": "{{ messages }}"}')
    assert model_files.has_chat_template(tmp_path)


def test_a_broken_tokenizer_and_missing_weights_are_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    path = Path(model(tmp_path / "m"))
    (path / "tokenizer.json").write_text("{")
    assert "the tokenizer does not load" in words(look(recipe_of(model=str(path))))
    (path / "model.safetensors").unlink()
    assert "no *.safetensors" in words(look(recipe_of(model=str(path))))


def test_a_reply_that_fills_the_context_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    path = model(tmp_path / "m", max_position_embeddings=4096)
    assert "no room for a prompt" in words(look(recipe_of(model=path, max_tokens=4096)))
    assert "leaves 96 for the prompt" in words(look(recipe_of(model=path, max_tokens=4000)))
    assert marks(look(recipe_of(model=path, max_tokens=1000))) == ["ok"] * 4


def test_the_context_is_what_is_passed_to_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 1)
    path = model(tmp_path / "m")
    recipe = recipe_of(model=path, engine="vllm", max_tokens=4096, engine_args="--max-model-len 2048")
    assert "in a context of 2,048 tokens leaves no room" in words(look(recipe))


def test_more_gpus_than_there_are_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    for engine in ("local", "vllm"):
        found = look(recipe_of(model="nano", engine=engine, n_gpus=4, max_tokens=100))
        assert marks(found).count("problem") == 1
        assert "--n_gpus 4: this machine has none" in words(found)


def test_several_gpus_in_this_process_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 4)
    assert "this process uses one GPU" in words(look(recipe_of(model="nano", n_gpus=2)))


def test_a_small_model_is_copied_and_a_large_one_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 4)
    path = Path(model(tmp_path / "m"))
    sized(path, 16 * GB)
    recipe = recipe_of(model=str(path), engine="vllm")
    assert "runs on 4 copies, each on 1 GPU" in words(look(recipe))
    sized(path, 145 * GB)
    assert "runs on 1 copy, each on 4 GPUs" in words(look(recipe))
    sized(path, 1000 * GB)
    assert "do not fit" in words(look(recipe))


@pytest.mark.parametrize(
    ("asked", "gpus", "found"),
    [
        ("auto", 4, "ok the 2 vLLM models run side by side"),
        ("auto", 2, "note the models do not fit together"),
        ("together", 2, "problem the models do not fit together"),
        ("in turn", 4, "ok the models take turns"),
    ],
)
def test_whether_models_fit_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, gpus: int, found: str
) -> None:
    with_gpus(monkeypatch, gpus)
    for name in ("one", "two"):
        sized(Path(model(tmp_path / name)), 100 * GB)
    judge = {"name": "a", "model": str(tmp_path / "two"), "engine": "vllm"}
    recipe = recipe_of(judge, model=str(tmp_path / "one"), engine="vllm")
    recipe = recipe.model_copy(update={"run": recipe.run.model_copy(update={"models": asked})})
    assert found in words(list(models.look_at_fit(recipe, models_of(recipe))))


def test_weights_that_the_memory_does_not_hold_are_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpus(monkeypatch, 0)
    path = Path(model(tmp_path / "m", dtype="bfloat16"))
    sized(path, 6 * GB)
    monkeypatch.setattr(models, "memory_free", lambda: 10 * GB)
    assert "12 GB for its weights, and 10 GB of memory are free" in words(look(recipe_of(model=str(path))))
    assert "problem" not in marks(look(recipe_of(model=str(path), dtype="bfloat16")))


def watch(calls: int, seconds: float) -> Watch:
    """Calls that ran all at once, each with 1,000 tokens asked and 500 written."""
    seen = Watch()
    for _ in range(calls):
        seen.saw(100.0, 100.0 + seconds, Completion("x", "stop", 1000, 500))
    return seen


def estimate(recipe: Recipe, **watches: Watch) -> Estimate:
    """By a trial of three rows."""
    named = {name.replace("_", "-"): seen for name, seen in watches.items()}
    return Estimate(recipe.run, asking(steps(recipe)), named, 3)


def limited(recipe: Recipe, **limits: int) -> Recipe:
    return recipe.model_copy(update={"run": recipe.run.model_copy(update=limits)})


def test_the_estimate_scales_the_trial_to_all_rows() -> None:
    recipe = recipe_of(base_url="http://h/v1", price={"prompt": 1.0, "completion": 4.0})
    whole = estimate(recipe, generate=watch(3, 6.0), judge_a=watch(2, 2.0))
    shortest, longest = whole.seconds(300)
    assert longest == pytest.approx(300 * 6 / 3 + 300 * 2 / 2)
    assert shortest == pytest.approx(longest * 3 / 256)
    assert whole.cost(300) == pytest.approx(300 * (1000 * 1.0 + 500 * 4.0) / 1e6)


def test_the_shortest_time_is_never_above_the_longest() -> None:
    whole = estimate(limited(recipe_of(), concurrency=2), generate=watch(3, 6.0))
    shortest, longest = whole.seconds(30)
    assert shortest == longest
    assert whole.cost(30) is None


def test_the_estimate_tells_what_it_does_not_know() -> None:
    recipe = recipe_of({"name": "a", "base_url": "http://h/v1"})
    told = words(list(estimate(recipe, generate=watch(3, 6.0), judge_a=Watch()).findings(0)))
    assert "no row reached it: judge-a" in told
    assert "no cost is known for judge-a" in told
    assert "too few for an interval" in told


def test_the_estimate_for_a_target_takes_the_yield_of_the_trial() -> None:
    whole = estimate(limited(recipe_of(), target=10), generate=watch(3, 6.0))
    assert "for 10 problems, if 2 of 3 are accepted: 15 combinations" in words(list(whole.findings(2)))
    assert "none of 3 was accepted" in words(list(whole.findings(0)))


def test_of_an_engine_of_one_s_own_only_its_name_is_told() -> None:
    own = recipe_of(model="m", engine="promptcot.engines.scripted:ScriptedEngine")
    assert marks(look(own)) == ["ok"]
    assert "served by an engine of your own" in words(look(own))
    assert machine.needed_by(own, [own.generate]) == set()


async def test_a_stage_of_one_s_own_is_watched_under_its_name_in_the_recipe() -> None:
    class Named:
        name = "what the class calls itself"

    class Idle:
        def run(self, *_: Any) -> Any:
            return None

    runner = WatchingRunner(Idle())  # type: ignore[arg-type]
    runner.run(Named(), None, None, None, StageCounts("mine"))  # type: ignore[arg-type]
    assert list(runner.watches) == ["mine"]
