"""The cold start with the embedded models, as a user runs it: from seed problems to training rows and concepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from promptcot import nano
from promptcot.cli import main
from promptcot.core.parsing.blocks import parse
from promptcot.storage.rows import read_rows
from tests.generations import read_as

PROBLEMS = 24


def run(line: str) -> None:
    assert main(line.split()) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("cold-start")
    run(f"extract --data_path nano --output_path {at}/extracted.jsonl --limit-rows {PROBLEMS}")
    run(f"explain --data_path {at}/extracted.jsonl --output_path {at}/explained.jsonl")
    for judge in ("a", "b"):
        run(f"judge --data_path {at}/explained.jsonl --output_path {at}/judged-{judge}.jsonl --judge {judge}")
    run(f"filter --template {at}/judged-*.jsonl --output_path {at}/accepted.jsonl")
    run(
        f"train-rows --data_path {at}/accepted.jsonl --output_path {at}/train.jsonl --concepts_path {at}/concepts.jsonl"
    )
    return at


def used(problem: str) -> tuple[str, ...]:
    """The concepts that a problem really rests on."""
    solution = nano.check(problem)
    assert isinstance(solution, nano.Solution)
    return nano.concepts_used(solution)


def test_the_embedded_annotator_names_concepts_that_the_problems_rest_on(folder: Path) -> None:
    found = list(read_rows(folder / "extracted.jsonl"))
    assert len(found) >= 0.7 * PROBLEMS
    named = [concept in used(row["problem"]) for row in found for concept in row["foundational_concepts"]]
    assert sum(named) >= 0.5 * len(named)  # by chance it were less than a tenth


def test_most_rationales_are_readable_and_lead_to_the_problem_word_for_word(folder: Path) -> None:
    problems = {row["id"]: row["problem"] for row in read_rows(nano.seeds_path())}
    extracted = sum(1 for _ in read_rows(folder / "extracted.jsonl"))
    found = list(read_rows(folder / "explained.jsonl"))
    assert len(found) >= 0.8 * extracted
    for row in found:
        assert parse(row["completion"]) == read_as(row["rationale"], problems[row["id"].removesuffix("-nano")])


def test_some_pass_both_judges_and_become_training_rows_and_concepts_to_sample(folder: Path) -> None:
    learned = list(read_rows(folder / "train.jsonl"))
    assert learned
    assert all(row["prompt"].startswith("Concepts:\n1. ") for row in learned)
    assert len(list(read_rows(folder / "concepts.jsonl"))) == len(learned)
    sample = f"sample --data_path {folder}/concepts.jsonl --output_path {folder}/sampled.jsonl --data_size 4"
    run(f"{sample} --size 2 --prompts nano --levels AIME")
    run(f"generate --data_path {folder}/sampled.jsonl --output_path {folder}/generated.jsonl")
