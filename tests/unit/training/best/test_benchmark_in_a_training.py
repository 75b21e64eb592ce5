"""The benchmark of a training: its questions, the grades of the replies, and rows that contain its problems."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from promptcot import domains, nano
from promptcot.errors import InputError
from promptcot.evaluation.benchmarks import load
from promptcot.evaluation.recipe import load_eval
from promptcot.stages.solve import Solve, samples
from promptcot.storage.json import dumps
from promptcot.training.best.contaminated import refuse_benchmark_rows
from promptcot.training.best.deciding import CUT_OFF, HIGH, LOW, PASS_AT_1, PROBLEMS, SAMPLES
from promptcot.training.best.evaluation import eval_recipe
from promptcot.training.best.questions import Reply, graders, measured, questions
from promptcot.training.recipe import Benchmark
from promptcot.training.report import pass_at_1
from tests.unit.training.materials import CHATML, THINKING, tokenizer

WORDS = (
    "Let n be a positive integer such that the decimal digits of the number n squared minus seven add up to nineteen, "
    "and suppose that no smaller integer with this property is a multiple of eleven. Find the remainder of n modulo 41."
)


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    """Two problems in a file."""
    path = tmp_path / "bench.jsonl"
    rows = [{"problem": WORDS, "answer": "7"}, {"problem": "What is one half of one?", "answer": "1/2"}]
    path.write_bytes(b"".join(dumps({**row, "source": "mine"}) for row in rows))
    return path


def test_what_is_asked_is_what_an_evaluation_asks() -> None:
    told = eval_recipe(Benchmark(recipe="nano", n=2, max_tokens=64), chat=True)
    asked = questions(told, tokenizer(), problems=3)
    stage = Solve(domains.load("nano"), told.model.sampling, load_eval("nano").seed)
    rows = [{"id": row.id, "problem": row.problem} for row in (load("nano").rows[place] for place in (0, 66, 133))]
    requests = [request for row in samples(rows, 2) for request in stage.ask(row)]
    assert [(one.prompt, one.seed) for one in asked] == [(request.prompt, request.seed) for request in requests]
    assert {one.sampling.max_tokens for one in asked} == {64}
    assert asked[0].sampling.temperature == load_eval("nano").model.temperature
    assert asked[0].ids == tokenizer()(asked[0].prompt).input_ids


def test_a_benchmark_without_a_recipe_is_asked_as_a_chat_where_there_is_a_template(benchmark: Path) -> None:
    chat = questions(eval_recipe(Benchmark(recipe=str(benchmark)), chat=True), tokenizer(CHATML))
    assert [one.prompt.startswith("<|im_start|>user\n") for one in chat] == [True, True]
    plain = questions(eval_recipe(Benchmark(recipe=str(benchmark)), chat=False), tokenizer())
    assert WORDS in plain[0].prompt
    assert "<|im_start|>" not in plain[0].prompt


@pytest.mark.parametrize(
    ("name", "mistake"),
    [("nan0", "no benchmark is called 'nan0'.*did you mean 'nano'"), ("none/of.jsonl", "no such file")],
)
def test_a_benchmark_that_does_not_exist_is_told(name: str, mistake: str) -> None:
    with pytest.raises(InputError, match=mistake):
        eval_recipe(Benchmark(recipe=name), chat=False)


def test_replies_are_graded_by_the_verifier_of_the_benchmark(benchmark: Path) -> None:
    told = eval_recipe(Benchmark(recipe=str(benchmark), n=2), chat=True)
    asked = questions(told, tokenizer(THINKING))
    replies = [
        Reply("let us see</think> so \\boxed{7}", cut_off=False),
        Reply("the thinking never ends: \\boxed{7}", cut_off=True),
        Reply("well</think> \\boxed{0.5}", cut_off=False),
        Reply("well</think> \\boxed{\\frac{2}{4}}", cut_off=False),
    ]
    with graders(told) as judges:
        found = measured(told, judges, asked, replies)
    assert (found[PASS_AT_1], found[PROBLEMS], found[SAMPLES], found[CUT_OFF]) == (0.75, 2, 4, 1)
    assert 0 <= found[LOW] < 0.75 < found[HIGH] <= 1


def test_an_answer_that_takes_too_long_to_compare_counts_neither_way(benchmark: Path) -> None:
    told = eval_recipe(Benchmark(recipe=str(benchmark)), chat=False)
    asked = questions(told, tokenizer())
    bomb = "\\boxed{" + "9^{" * 6 + "9" + "}" * 6 + "}"
    with graders(told) as judges:
        found = measured(told, judges, asked, [Reply("\\boxed{7}", cut_off=False), Reply("", cut_off=True)])
        assert (found[PASS_AT_1], found[PROBLEMS]) == (0.5, 2)
        judges.of(None).grade = lambda gold, answer: SLOW if answer != "7" else RIGHT  # type: ignore[method-assign]
        found = measured(told, judges, asked, [Reply("\\boxed{7}", cut_off=False), Reply(bomb, cut_off=False)])
    assert (found[PASS_AT_1], found[PROBLEMS], found[SAMPLES]) == (1.0, 1, 2)


class _Grade:
    def __init__(self, correct: bool | None) -> None:
        self.correct = correct


RIGHT, SLOW = _Grade(True), _Grade(None)


def test_a_line_of_the_log_says_how_sure_it_is() -> None:
    line = pass_at_1.line({PASS_AT_1: 0.5, LOW: 0.3, HIGH: 0.7, PROBLEMS: 20, SAMPLES: 40, CUT_OFF: 3})
    assert line == {"pass@1": 0.5, "interval": [0.3, 0.7], "n": 20, "samples": 40, "cut_off": 3}
    assert pass_at_1.human({**line, "benchmark": "nano"}) == (
        "pass@1 of nano 50.0 % (95 % interval 30.0 to 70.0, 20 problems, 40 samples, 3 cut off)"
    )
    nothing = dict.fromkeys((PASS_AT_1, LOW, HIGH), math.nan) | {PROBLEMS: 0, SAMPLES: 0, CUT_OFF: 0}
    assert pass_at_1.human({**pass_at_1.line(nothing), "benchmark": "nano"}) == (
        "pass@1 of nano: no reply could be graded"
    )


def prompts(*texts: str) -> list[tuple[str, str]]:
    return [(f"r{number}", f"Solve this problem.\n\n{text}\n") for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    "text",
    [WORDS, WORDS.replace("41", "43"), f"<|im_start|>user\n{WORDS} Think.<|im_end|>"],
    ids=["it", "numbers", "in"],
)
def test_rows_that_are_problems_of_the_benchmark_are_refused_with_the_way_out(benchmark: Path, text: str) -> None:
    told = eval_recipe(Benchmark(recipe=str(benchmark)), chat=False)
    with pytest.raises(InputError) as refused:
        refuse_benchmark_rows(prompts("Another one: find the area of a circle.", text, text), told)
    said = str(refused.value)
    assert "row r1: " in said
    assert "row r2: " not in said  # the same prompt once more
    assert f"promptcot decontaminate --data_path ROWS --output_path CLEAN --against {benchmark}" in said


def test_only_some_of_many_rows_are_named() -> None:
    rows = load("nano").rows[:9]
    with pytest.raises(InputError) as refused:
        refuse_benchmark_rows(prompts(*(row.problem for row in rows)), load_eval("nano"))
    assert str(refused.value).count("  - row r") == 5
    assert "  - and more" in str(refused.value)
    assert "--against nano --mask-numbers false" in str(refused.value)


def test_problems_of_the_nano_world_with_other_numbers_are_other_problems(tmp_path: Path) -> None:
    def other(problem: str) -> str:
        return "".join(str((int(letter) + 3) % 9 + 1) if letter.isdigit() else letter for letter in problem)

    rows: list[Any] = [row.problem for row in load("nano").rows if sum(map(str.isdigit, row.problem)) > 4]
    refuse_benchmark_rows(prompts(*map(other, rows[:20])), load_eval("nano"))
    assert nano.is_world(load_eval("nano").prompts)
