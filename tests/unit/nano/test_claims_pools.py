"""How the pools of the claims are made: by the package's own steps, with replies that are written here."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

import promptcot
from nano.catalogue import LEVELS
from nano.claims import making
from nano.claims.making import answered, held_out, level_of, made, requests
from nano.claims.pools import EARLY, MAIN, Answers, Pool, Row, labelled, pool_path, read, write
from nano.claims.rehearsal import rehearse
from nano.claims.sizes import SMALLEST
from nano.claims.students import benchmark
from nano.holdout import held_out_combination, held_out_phrase
from nano.problems import Rule, completion, design
from nano.sentences import read_problem
from promptcot.records import Request

Script = Callable[[Request], str]
REFUSAL = "<think>\nNo.\n</think>\nThere is no such number."


def says(number: object) -> str:
    return f"<think>\nSo {number}.\n</think>\nThe answer is \\boxed{{{number}}}."


def scripted(monkeypatch: pytest.MonkeyPatch, step: str, script: Callable[[str, Request], str]) -> None:
    """Let a step of the package ask `script`, which gets the name of the model's folder, instead of the model."""
    real = getattr(promptcot, step)

    def asked(rows: Any, *, model: promptcot.Model, **named: Any) -> Any:
        name = Path(model.model).name
        return real(rows, model=promptcot.ScriptedEngine(lambda request: script(name, request), model=name), **named)

    monkeypatch.setattr(promptcot, step, asked)


def test_problems_with_a_phrase_of_the_benchmark_are_held_out_wherever_it_stands() -> None:
    """A longer problem may hold a problem of one step as its first sentence."""
    phrases = [row["problem"].removeprefix("What is ") for row in benchmark() if row["level"] == "AMC12"]
    phrases = [text.split(" ", 1)[1] if text[0] in "FCD" else text for text in phrases]
    first = [f"Let A be {phrase[:-1]}. Find the midpoint of A and 999999 on the number line." for phrase in phrases]
    assert len(first) == 67
    assert all(held_out(problem) for problem in first)


def test_the_benchmark_is_held_out_in_whatever_wording() -> None:
    """With other words and the same numbers it is the same problem; `decontaminate` need not find it."""
    assert all(held_out(row["problem"]) for row in benchmark())
    short = [read_problem(row["problem"])[0] for row in benchmark() if row["level"] == "AMC12"]
    reworded = [phrase for first in short if first.family for phrase in first.family.phrases(first.shown)]
    assert len(reworded) == 2 * 67
    assert all(held_out(f"Find {phrase}.") for phrase in reworded)


def test_what_the_writer_may_train_on_is_not_held_out_unless_another_wording_is() -> None:
    made = [design((), level, random.Random(f"{level} {seed}")) for level in LEVELS for seed in range(50)]
    steps = {one.problem: [step.family.phrases(step.operands) for step in one.steps] for one in made}
    expected = {text: any(map(held_out_phrase, chain.from_iterable(phrases))) for text, phrases in steps.items()}
    assert {text: held_out(text) for text in steps} == expected
    assert 0 < sum(expected.values()) < len(made) / 2


def test_a_problem_that_cannot_be_worked_out_is_judged_by_what_can_be_read() -> None:
    assert held_out(f"What. {benchmark()[0]['problem']}")
    assert not held_out(
        "Let A be the larger root of x^2 - 1x + 9 = 0. Find the midpoint of A and 3 on the number line."
    )
    assert not held_out("nothing at all")
    assert not held_out("")


def test_the_level_is_that_of_the_written_problem() -> None:
    for level in LEVELS:
        assert level_of(design((), level, random.Random(level)).problem) == level
    assert level_of("A. B. C. D.") == LEVELS[-1]
    assert level_of("") == LEVELS[0]


def test_as_many_problems_of_each_level_are_asked_for_as_wanted() -> None:
    asked = requests((3, 2, 4))
    assert [sum(row["level"] == level for row in asked) for level in LEVELS] == [3, 2, 4]
    assert len({row["id"] for row in asked}) == 9
    assert all(held_out_combination(row["foundational_concepts"]) for row in asked)
    assert asked == requests((3, 2, 4))


TWO = {
    "agree": ([says(7), says("07")], Answers("7", (says(7), says("07")))),
    "differ": ([says(7), says(8)], Answers()),
    "one refuses": ([says(7), REFUSAL], Answers()),
    "both refuse": ([REFUSAL, REFUSAL], Answers()),
    "one has no answer": ([says(7), "<think>\n7\n</think>\nWell."], Answers()),
    "a box in the thoughts": ([says(7), "<think>\n\\boxed{7}"], Answers()),
}


@pytest.mark.parametrize("name", TWO)
def test_both_answers_of_the_solver_have_to_agree(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts, expected = TWO[name]
    scripted(monkeypatch, "solve", lambda _, request: texts[request.sample])
    found = answered([{"id": "a", "problem": "Find 7."}], tmp_path / "solver", 2, tmp_path, MAIN.agreement)
    assert found == {"a": expected}


def test_the_base_model_is_compared_with_the_solver_s_label(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts = [says(8), says(8), says(7), REFUSAL]
    scripted(monkeypatch, "solve", lambda _, request: texts[request.sample])
    problems = [{"id": "a", "problem": "Find 7."}]
    found = answered(problems, tmp_path / "base", 4, tmp_path, labels={"a": "7"})
    assert found == {"a": Answers("8", (says(8), says(8)), 0.25)}


def test_a_problem_to_which_a_call_failed_has_no_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def reply(_: str, request: Request) -> Any:
        refused = promptcot.RequestRefused("too long")
        return refused if "long" in request.prompt and request.sample == 1 else says(7)

    scripted(monkeypatch, "solve", reply)
    problems = [{"id": "a", "problem": "Find a long one."}, {"id": "b", "problem": "Find 7."}]
    assert [*answered(problems, tmp_path / "solver", 2, tmp_path)] == ["b"]


ANY = Rule(lambda keys: True, lambda made: True)


def problem(name: str, rule: Callable[[str], bool]) -> str:
    """The first problem of the writer that is as it should be."""
    texts = (design((), LEVELS[0], random.Random(f"{name} {seed}"), ANY).problem for seed in range(10_000))
    return next(text for text in texts if rule(text))


WRITTEN = {
    "good": problem("good", lambda text: not held_out(text)),
    "rejected": problem("rejected", lambda text: not held_out(text)),
    "unclear": problem("unclear", lambda text: not held_out(text)),
    "held out": problem("held out", held_out),
}
COPY = "good again"


def pipeline(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Steps that write `WRITTEN` and a worse rationale for one problem; the prompts for them."""
    texts = {**WRITTEN, COPY: WRITTEN["good"]}

    def write_(_: str, request: Request) -> str:
        name = request.prompt.strip()
        return completion(["A copy." if name == COPY else "A rationale."], texts[name])

    def judge(_: str, request: Request) -> str:
        bad = WRITTEN["rejected"] in request.prompt or "A copy." in request.prompt
        return ratings("bad" if bad else "perfect")

    def verify(_: str, request: Request) -> str:
        word = "no" if WRITTEN["unclear"] in request.prompt else "yes"
        verdict = "invalid" if word == "no" else "valid"
        return f"Terms Defined: {word}\nConditions Consistent: yes\nSingle Question: yes\nFinal Verdict: {verdict}"

    scripted(monkeypatch, "generate", write_)
    scripted(monkeypatch, "judge", judge)
    scripted(monkeypatch, "verify", verify)
    scripted(monkeypatch, "solve", lambda name, request: says(7 if name == "solver" or request.sample else 8))
    return [{"id": f"{place}-{name}", "prompt": name} for place, name in enumerate((COPY, *WRITTEN))]


def ratings(word: str) -> str:
    keys = ("Format", "Factual Accuracy", "Difficulty Alignment", "Concept Coverage", "Solvability", "Final Judgement")
    return "\n".join(f"{key}: {word}" for key in keys)


def test_a_judged_pool_keeps_what_the_steps_drop_but_nothing_held_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = [{**row, "foundational_concepts": ["parity", "factors"], "level": "AMC12"} for row in pipeline(monkeypatch)]
    found = {row.id: row for row in made(tmp_path, EARLY, asked, tmp_path / "calls")}
    assert {key: (row.accepted, row.verified) for key, row in found.items()} == {
        "1-good": (True, True),  # the better rated of two copies stays
        "2-rejected": (False, False),
        "3-unclear": (True, False),
    }
    assert {(row.level, row.teacher.label, row.base.rate) for row in found.values()} == {("AMC12", "7", None)}


def test_the_main_pool_is_answered_by_both_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = pipeline(monkeypatch)[1:]
    found = made(tmp_path, MAIN, asked, tmp_path / "calls")
    assert [row.problem for row in found] == [WRITTEN[name] for name in ("good", "rejected", "unclear")]
    assert {(row.teacher.label, row.base.label, row.base.rate) for row in found} == {("7", "7", 3 / 4)}


def test_a_step_with_unusable_replies_ends_the_making_of_a_pool(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = pipeline(monkeypatch)
    scripted(monkeypatch, "judge", lambda *_: "I cannot say.")
    with pytest.raises((SystemExit, promptcot.PromptCoTError)):
        made(tmp_path, EARLY, asked, tmp_path / "calls")


@pytest.mark.parametrize("pool", [EARLY, MAIN], ids=lambda pool: pool.name)
def test_the_recipe_has_the_models_that_a_pool_names(pool: Pool, tmp_path: Path) -> None:
    recipe = promptcot.load_recipe("nano", set=making._models(tmp_path, pool))
    assert recipe.verify is not None
    models = [recipe.generate.model, *(judge.model for judge in recipe.judge), recipe.verify.model]
    assert models == [str(tmp_path / name) for name in (pool.generator, "judge-a", "judge-b", "verifier")]


def test_a_pool_is_read_as_it_was_written_and_problems_without_a_trace_teach_nothing(tmp_path: Path) -> None:
    folder = rehearse(tmp_path)
    rows = [Row("1", "Find 3.", "AMC12", teacher=Answers("3", ("so 3",), 1.0)), Row("2", "Find 4.", "AIME")]
    write(pool_path(folder, MAIN, SMALLEST), rows)
    assert read(pool_path(folder, MAIN, SMALLEST)) == rows
    assert labelled(folder, MAIN, SMALLEST) == rows[:1]


def test_a_pool_is_made_once_for_the_same_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = rehearse(tmp_path)
    path = pool_path(folder, EARLY, SMALLEST)
    path.unlink()
    monkeypatch.setattr(making, "made", lambda *_: [Row("1", "Find 3.", "AMC12")])
    making.ensure(folder, EARLY, SMALLEST)
    monkeypatch.setattr(making, "made", lambda *_: pytest.fail("it is there already"))
    making.ensure(folder, EARLY, SMALLEST)
    assert [row.id for row in read(path)] == ["1"]


def test_other_weights_have_another_pool(tmp_path: Path) -> None:
    folders = rehearse(tmp_path / "one"), rehearse(tmp_path / "other")
    (folders[1] / "solver" / "model.safetensors").write_bytes(b"other weights")
    assert len({pool_path(folder, MAIN, SMALLEST).name for folder in folders}) == 2
