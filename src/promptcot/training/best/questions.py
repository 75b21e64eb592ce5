"""The problems of `watch.eval` as prompts for the model in training, and the grades of its replies.

The problems are those of an evaluation recipe, with its domain's prompt, its sampling and the seeds of `promptcot
eval`, or those of a benchmark given by name. The benchmark's verifier (`grading`) decides whether an answer is correct,
in processes that can be killed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from promptcot import domains
from promptcot.core.statistics import estimate
from promptcot.engines.local.model import TextCodec
from promptcot.errors import EngineError, InputError
from promptcot.evaluation.benchmarks import BenchmarkRow, load, renamed
from promptcot.evaluation.predictions import reply_of
from promptcot.evaluation.recipe import EvalRecipe
from promptcot.evaluation.registry import grader_of
from promptcot.grading.graders import Graders
from promptcot.records import Request, Sampling, derive_seed
from promptcot.training.best.deciding import CUT_OFF, HIGH, LOW, PASS_AT_1, PROBLEMS, SAMPLES

_WORKERS = 2


@dataclass(frozen=True, slots=True)
class Question:
    """One trace to sample: `prompt` and its tokens `ids`, its sampling settings, and the gold of the problem `id`."""

    id: str
    source: str
    prompt: str
    ids: list[int]
    sampling: Sampling
    seed: int
    gold: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The model's reply; `cut_off` if it was truncated."""

    text: str
    cut_off: bool


def questions(
    recipe: EvalRecipe, tokenizer: Any, problems: int | None = None, tell: Callable[[str], object] = str
) -> list[Question]:
    """`n` traces of `problems` of each benchmark, or of all; `tell` receives warnings about rows. Raises InputError."""
    prompts = domains.load(recipe.prompts)
    conversation = "solve" if recipe.style is None else f"solve.{recipe.style}"
    codec = TextCodec(tokenizer, Path(recipe.name))

    def request_of(row: BenchmarkRow, sample: int) -> Request:
        asked: dict[str, Any] = {"sampling": recipe.model.sampling, "seed": derive_seed(recipe.seed, row.id, sample)}
        if recipe.model.chat:
            return Request(messages=prompts.messages(conversation, problem=row.problem), sample=sample, **asked)
        return Request(prompt=prompts.render(conversation, problem=row.problem), sample=sample, **asked)

    with graders(recipe) as judges:
        rows = list(_rows(recipe, judges, problems, tell))
    try:
        requests = [(row, request_of(row, sample)) for row in rows for sample in range(recipe.n)]
        return [_question(row, request, codec) for row, request in requests]
    except EngineError as error:
        raise InputError(f"watch.eval: {error}") from error


def graders(recipe: EvalRecipe) -> Graders:
    """The graders of the replies: the verifier of the recipe, else those of the benchmarks, else that of the domain."""
    default = domains.settings(recipe.prompts).verifier
    return Graders(_WORKERS, named=recipe.verifier, default=default)


def _rows(
    recipe: EvalRecipe, judges: Graders, problems: int | None, tell: Callable[[str], object]
) -> Iterator[BenchmarkRow]:
    for name in recipe.benchmarks:
        loaded = renamed(load(name, judges))
        for warning in loaded.warnings:
            tell(f"note: {warning}")
        yield from spread(loaded.rows, problems)


def spread(rows: Sequence[BenchmarkRow], count: int | None) -> list[BenchmarkRow]:
    """Rows at equal distances, or all: benchmarks are often ordered by difficulty."""
    wanted = len(rows) if count is None else min(count, len(rows))
    return [rows[place * len(rows) // wanted] for place in range(wanted)]


def _question(row: BenchmarkRow, request: Request, codec: TextCodec) -> Question:
    prompt = request.prompt or codec.chat_text(request)
    ids = codec.request_ids(request)
    return Question(row.id, row.source, prompt, ids, request.sampling, request.seed, row.gold)


def measured(
    recipe: EvalRecipe, judges: Graders, asked: Sequence[Question], replies: Sequence[Reply]
) -> dict[str, float]:
    """pass@1 over problems, with its 95 % interval, as a line of a trainer's history.

    A reply on which the grader times out counts neither as correct nor as incorrect. NaN if no reply was graded.
    """
    right = by_problem(recipe, judges, asked, replies)
    found = estimate([*right.values()], bounds=(0.0, 1.0))
    low, high = found.interval or (math.nan, math.nan)
    line = {PASS_AT_1: math.nan if found.mean is None else found.mean, LOW: low, HIGH: high, PROBLEMS: found.n}
    return {**line, SAMPLES: len(replies), CUT_OFF: sum(reply.cut_off for reply in replies)}


def by_problem(
    recipe: EvalRecipe, judges: Graders, asked: Sequence[Question], replies: Sequence[Reply]
) -> dict[tuple[str, str], float]:
    """The share of correct replies to each problem, by benchmark and id; others are left out."""
    with ThreadPoolExecutor(_WORKERS) as threads:
        grades = list(threads.map(lambda pair: _right(recipe, judges, *pair), zip(asked, replies, strict=True)))
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for question, grade in zip(asked, grades, strict=True):
        if grade is not None:
            right[question.source, question.id].append(grade)
    return {problem: float(np.mean(of_one)) for problem, of_one in right.items()}


def _right(recipe: EvalRecipe, judges: Graders, question: Question, reply: Reply) -> bool | None:
    grader = grader_of(judges, question.source)
    text = reply_of({"prompt": question.prompt, "completion": reply.text}, question.id)
    if text is None:
        return False  # thinking that never ended has no answer
    found = grader.extract(text, unboxed=recipe.unboxed)
    if found.answer is None:
        return None if found.lost else False
    return grader.grade(question.gold, found.answer).correct
