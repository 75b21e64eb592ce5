"""Models that run one after another: the same files as in parallel, and never two models at the same time."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from promptcot import domains
from promptcot.engines.exclusive import exclusive
from promptcot.engines.protocol import Engine
from promptcot.engines.scripted import Script, ScriptedEngine
from promptcot.errors import TransientError
from promptcot.pipeline.plan import steps_of
from promptcot.pipeline.run import Run
from promptcot.pipeline.waves import SequentialRun, first_wave, next_wave
from promptcot.recipe.loading import parse
from promptcot.recipe.recipe import Recipe
from promptcot.records import Completion, Request, Row
from promptcot.runners.local import LocalRunner
from promptcot.runners.retries import Retries
from promptcot.storage.budget import Budget, BudgetReached
from tests.integration import scripted_run

PROMPTS = domains.load("nano")
FAST = Retries(tries=2, base=0.0001)
SCRIPTS: dict[str, Script] = {
    "generate": scripted_run.write,
    "judge-a": scripted_run.rate,
    "judge-b": scripted_run.rate,
}


@dataclass
class Machine:
    """Room for one model."""

    open: str | None = None
    opened: list[str] = field(default_factory=list)


class Tenant(ScriptedEngine):
    """A model that needs the whole machine from its first call until it is closed."""

    def __init__(self, script: Script, model: str, machine: Machine) -> None:
        super().__init__(script, model=model)
        self.machine = machine

    async def complete(self, request: Request) -> Completion:
        if self.machine.open is None:
            self.machine.open = self.model
            self.machine.opened.append(self.model)
        assert self.machine.open == self.model
        return await super().complete(request)

    async def close(self) -> None:
        if self.machine.open == self.model:
            self.machine.open = None


def flaky(script: Script) -> Script:
    """Some calls never get an answer."""

    def answer(request: Request) -> Completion | str | Exception:
        return TransientError("reset by peer", "connection") if request.seed % 13 == 0 else script(request)

    return answer


def rows(count: int) -> Callable[[], Iterator[Row]]:
    def combinations() -> Iterator[Row]:
        for _, row in zip(range(count), scripted_run.combinations(), strict=False):
            yield row

    return combinations


async def side_by_side(directory: Path, recipe: Recipe, engines: Mapping[str, Engine], combinations: int) -> Run:
    steps = steps_of(recipe, PROMPTS)
    run = Run(steps, recipe.run, directory, engines, rows(combinations)(), LocalRunner(16, FAST))
    await run.run({})
    return run


async def in_turn(
    directory: Path, recipe: Recipe, engines: Mapping[str, Engine], combinations: int, budget: Budget | None = None
) -> tuple[Run, SequentialRun, list[int]]:
    steps, takers, waves = steps_of(recipe, PROMPTS), exclusive(engines), list[int]()
    budget = budget or Budget()
    runner = LocalRunner(16, FAST, budget=budget)
    table = SequentialRun(steps, directory, takers, rows(combinations), runner, budget)
    wave: int | None = first_wave(recipe.run)
    while wave is not None:
        waves.append(wave)
        await table.ask(wave)
        limits = recipe.run.model_copy(update={"max_candidates": wave})
        reader = LocalRunner(16, FAST)
        run = Run(steps, limits, directory, takers, rows(combinations)(), reader, (), table.counts)
        await run.run({})
        wave = next_wave(recipe.run, wave, run.counts["filter"].rows_out)
    return run, table, waves


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.jsonl"))}


@pytest.mark.parametrize(("candidates", "target"), [(60, 0), (400, 20), (600, 100), (300, 250)])
async def test_the_files_are_those_of_the_ordinary_run(tmp_path: Path, candidates: int, target: int) -> None:
    recipe = scripted_run.recipe(candidates, target)
    ordinary = {name: ScriptedEngine(flaky(script), model=name) for name, script in SCRIPTS.items()}
    await side_by_side(tmp_path / "plain", recipe, ordinary, candidates)
    machine = Machine()
    tenants = {name: Tenant(flaky(script), name, machine) for name, script in SCRIPTS.items()}
    _, _, waves = await in_turn(tmp_path / "turns", recipe, tenants, candidates)
    assert files(tmp_path / "turns") == files(tmp_path / "plain")
    assert "generate.failed.jsonl" in files(tmp_path / "plain")
    assert machine.opened == list(SCRIPTS) * len(waves)
    assert machine.open is None


@pytest.mark.parametrize("shared", [("judge-a", "judge-b"), ("generate", "judge-a"), ("generate", "judge-b")])
async def test_stages_that_share_a_model_have_the_same_files_too(tmp_path: Path, shared: tuple[str, str]) -> None:
    recipe = scripted_run.recipe(60, 0)

    def models(make: Callable[[Script, str], Engine]) -> dict[str, Engine]:
        def both(request: Request) -> Completion | str | Exception:
            writes = "generate" in shared and request.prompt.startswith("[")
            return (scripted_run.write if writes else scripted_run.rate)(request)

        engine = make(flaky(both), "both")
        apart = {name: make(flaky(script), name) for name, script in SCRIPTS.items()}
        return {name: engine if name in shared else apart[name] for name in SCRIPTS}

    await side_by_side(tmp_path / "plain", recipe, models(lambda s, n: ScriptedEngine(s, model=n)), 60)
    machine = Machine()
    tenants = models(lambda script, name: Tenant(script, name, machine))
    _, _table, _ = await in_turn(tmp_path / "turns", recipe, tenants, 60)
    assert files(tmp_path / "turns") == files(tmp_path / "plain")
    in_a_row = shared != ("generate", "judge-b")
    assert len(machine.opened) == (2 if in_a_row else 3)


async def test_every_call_is_made_once_and_counted_once_over_the_waves(tmp_path: Path) -> None:
    recipe, machine = scripted_run.recipe(600, 100), Machine()
    tenants = {name: Tenant(script, name, machine) for name, script in SCRIPTS.items()}
    run, _, waves = await in_turn(tmp_path, recipe, tenants, 600)
    assert len(waves) > 1
    for name, tenant in tenants.items():
        lines = (tmp_path / f"{name}.journal" / "calls.jsonl").read_bytes().splitlines()
        keys = [json.loads(line)["key"] for line in lines]
        assert len(set(keys)) == len(keys) == run.counts[name].calls
        refused = tenant.asked - len(keys)
        assert refused >= 0
        assert refused == 0 or name == "generate"


def priced(candidates: int, target: int = 0) -> Recipe:
    price = {"prompt": 1000.0, "completion": 10000.0}
    judges = [{"name": name, "price": price, "max_tokens": 50} for name in "ab"]
    limits = {"max_candidates": candidates, **({"target": target} if target else {})}
    return parse({"prompts": "nano", "run": limits, "judge": judges, "generate": {"price": price, "max_tokens": 50}})


def models(recipe: Recipe, bill: list[float]) -> dict[str, Engine]:
    price = recipe.generate.price
    assert price is not None

    def billed(script: Script) -> Script:
        def answer(request: Request) -> Completion | str | Exception:
            reply = script(request)
            if isinstance(reply, Completion):
                bill.append(price.of(reply.prompt_tokens or 0, reply.completion_tokens or 0))
            return reply

        return answer

    return {name: ScriptedEngine(billed(script), model=name) for name, script in SCRIPTS.items()}


async def test_what_is_spent_is_counted_once_over_the_waves(tmp_path: Path) -> None:
    recipe, bill, budget = priced(600, 100), list[float](), Budget(1e9)
    run, _, waves = await in_turn(tmp_path, recipe, models(recipe, bill), 600, budget)
    assert len(waves) > 1
    assert budget.spent == pytest.approx(sum(bill))
    assert sum(counts.cost or 0 for counts in run.counts.values()) == pytest.approx(sum(bill))


async def test_the_cap_counts_what_every_stage_paid_in_earlier_runs(tmp_path: Path) -> None:
    bill: list[float] = []
    recipe = priced(40)
    await in_turn(tmp_path, recipe, models(recipe, bill), 400, Budget(1e9))
    cap = sum(bill) * 1.2  # the generator alone would have room for more without the judges' share
    recipe = priced(400)
    with pytest.raises(BudgetReached):
        await in_turn(tmp_path, recipe, models(recipe, bill), 400, Budget(cap))
    assert sum(bill) <= cap


WAVES = [
    ("no target: all at once", 0, 500, 0, 500, None),
    ("a small target", 10, 5000, 10, 102, None),
    ("nothing accepted yet", 10, 5000, 0, 102, 408),
    ("half of it accepted", 200, 5000, 100, 400, 960),
    ("nearly all of it", 200, 5000, 199, 400, 600),
    ("no more than the candidates", 200, 500, 100, 400, 500),
    ("all candidates are used up", 200, 400, 100, 400, None),
]


@pytest.mark.parametrize(
    ("target", "candidates", "accepted", "first", "then"), [w[1:] for w in WAVES], ids=[w[0] for w in WAVES]
)
def test_waves(target: int, candidates: int, accepted: int, first: int, then: int | None) -> None:
    recipe = scripted_run.recipe(candidates, target)
    assert first_wave(recipe.run) == first
    assert next_wave(recipe.run, first, accepted) == then
