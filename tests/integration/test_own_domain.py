"""A user's own domain, with its own blocks, criteria and verifier, through all verbs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import promptcot
from promptcot import domains
from promptcot.cli import main
from promptcot.domains.new import write_domain
from promptcot.storage.rows import read_rows
from tests.programs import started

DOMAIN = """
levels = ["short", "long"]
sizes = [2]
blocks = ["plan", "task", "unit_tests"]
problem = "task"
verifier = "own_words:Words"
concepts = "concepts.jsonl"
"""
GENERATE = """Write a {{ level }} task about {{ concepts | join(' and ') }}.
<!-- BEGIN PLAN -->
the plan
<!-- END PLAN -->
<!-- BEGIN TASK -->
the task
<!-- END TASK -->
<!-- BEGIN UNIT_TESTS -->
the tests
<!-- END UNIT_TESTS -->
"""
EXPLAIN = """{{ mark }} {{ problem }} {{ concepts | join }} {{ level }}
<!-- BEGIN PLAN -->
the plan
<!-- END PLAN -->
<!-- BEGIN UNIT_TESTS -->
the tests
<!-- END UNIT_TESTS -->
"""
CRITERIA = """
[verdict]
label = "Overall"
required = ["runs"]
others_perfect = 0

[[ratings]]
key = "runs"
label = "Tests Run"

[[ratings]]
key = "style"
label = "Good Style"
"""
VERIFIER = """
import re


class Words:
    def extract(self, reply, *, unboxed=False):
        found = re.findall(r"boxed\\{([^{}]*)\\}", reply)
        return f"<{found[-1].strip()}>" if found else None

    def grade(self, gold, answer):
        return gold.casefold() == answer.casefold()

    def same(self, one, other):
        return self.grade(one, other)

    def check_gold(self, gold):
        pass
"""
BLOCKS = ("plan", "task", "unit_tests")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    words = [sys.executable, "-m", "promptcot", "mock-server", "--port", "0"]
    with started(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[3].rstrip(",")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("own") / "tasks"
    write_domain("tasks", made)
    for name, text in {"domain.toml": DOMAIN, "generate.jinja": GENERATE, "explain.jinja": EXPLAIN}.items():
        (made / name).write_text(text, encoding="utf-8")
    (made / "criteria.toml").write_text(CRITERIA, encoding="utf-8")
    (made.parent / "own_words.py").write_text(VERIFIER, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(made.parent)
        yield made


@pytest.fixture(scope="module")
def accepted(folder: Path, url: str) -> promptcot.RunResult:
    out = folder.parent / "out"
    return promptcot.run(folder / "recipe.toml", output_dir=out, set={"server.base_url": url}, max_candidates=40)


def test_the_verifier_is_the_one_that_is_named(folder: Path) -> None:
    assert domains.load(folder).settings.verifier == "own_words:Words"


def test_a_run_writes_and_judges_its_blocks(accepted: promptcot.RunResult) -> None:
    written = list(accepted.rows("generate"))
    assert len(written) == 40
    assert all(row[name] for row in written for name in BLOCKS)
    assert all(row["problem"] == row["task"] and "rationale" not in row for row in written)
    assert {row["level"] for row in written} == {"short", "long"}
    assert {len(row["foundational_concepts"]) for row in written} == {2}
    judged = list(accepted.rows("judge-first"))
    assert {row["judgement"] for row in judged} == {"perfect", "acceptable", "bad"}
    assert all(set(row["ratings"]) == {"runs", "style"} for row in judged)
    assert len(accepted.accepted) > 1


def test_each_verb_reads_its_rows(accepted: promptcot.RunResult, folder: Path, url: str) -> None:
    spec, prompts = promptcot.Model(base_url=[url], chat=True), str(folder)
    sampled = list(accepted.rows("sample"))[:4]
    again = promptcot.generate(sampled, model=spec, prompts=prompts)
    assert [set(BLOCKS) <= set(row) for row in again.rows] == [True] * 4
    with pytest.raises(promptcot.InputError, match="name the domain of the prompts"):  # and nothing is paid for
        promptcot.generate(sampled, model=spec)
    judged = promptcot.judge(again, model=spec, prompts=prompts)
    assert all(row["judgement"] != "invalid" for row in judged.rows)
    rows = list(accepted.accepted)
    traces = promptcot.solve(rows, model=spec, prompts=prompts, n=4)
    assert len(traces.rows) == 4 * len(rows)
    labelled = promptcot.label(traces, prompts=prompts)
    assert all(row["label"].startswith("<") and row["unit_tests"] for row in labelled.rows)  # as the verifier has it


def test_annotators_write_the_other_blocks(accepted: promptcot.RunResult, folder: Path, url: str) -> None:
    spec, prompts = promptcot.Model(base_url=[url], chat=True), str(folder)
    problems = [{"problem": row["task"], "level": "short"} for row in accepted.accepted]
    extracted = promptcot.extract(problems, model=spec, prompts=prompts)
    assert all(len(row["foundational_concepts"]) == 2 for row in extracted.rows)
    explained = promptcot.explain(extracted, model=spec, prompts=prompts)
    assert len(explained.rows) == len(problems)
    for row in explained.rows:
        assert row["plan"]
        assert row["task"] == row["problem"]
        assert f"<!-- BEGIN TASK -->\n{row['problem']}\n<!-- END TASK -->" in row["completion"]


def test_training_rows_have_all_blocks(accepted: promptcot.RunResult, folder: Path, tmp_path: Path) -> None:
    source = accepted.directory / "filter.jsonl"
    words = ["train-rows", "--data-path", str(source), "--output-path", str(tmp_path / "rows.jsonl")]
    assert main([*words, "--prompts", str(folder), "--concepts-path", str(tmp_path / "c.jsonl")]) == 0
    rows, concepts = (list(read_rows(tmp_path / name)) for name in ("rows.jsonl", "c.jsonl"))
    assert all(f"BEGIN {name.upper()}" in row["completion"] for row in rows for name in BLOCKS)
    assert [row["problem"] for row in concepts] == [row["task"] for row in accepted.accepted]
    bare = [
        {name: row[name] for name in ("id", "foundational_concepts", "level", *BLOCKS)} for row in accepted.accepted
    ]
    (tmp_path / "bare.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in bare))
    words = ["train-rows", "--data-path", str(tmp_path / "bare.jsonl"), "--output-path", str(tmp_path / "again.jsonl")]
    assert main([*words, "--prompts", str(folder)]) == 0
    assert [row["completion"] for row in read_rows(tmp_path / "again.jsonl")] == [row["completion"] for row in rows]


def test_sample_draws_what_the_domain_says(folder: Path) -> None:
    drawn = promptcot.sample(folder / "concepts.jsonl", 12, prompts=str(folder)).rows
    assert {row["level"] for row in drawn} == {"short", "long"}
    assert {len(row["foundational_concepts"]) for row in drawn} == {2}


def test_doctor_and_plan_know_it(
    accepted: promptcot.RunResult, folder: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = str(folder / "recipe.toml")
    assert main(["doctor", recipe, "--set", f"server.base_url={url}", "--output-dir", str(folder.parent / "d")]) == 0
    plan = ["plan", recipe, "--target", "10", "--gpus", "0", "--run", str(accepted.directory)]
    assert main([*plan, "--set", f"server.base_url={url}"]) == 0
    assert "generate" in capsys.readouterr().out


def test_a_chain_has_its_generator_read_by_its_blocks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ["--set", f"prompts={folder}", "--dry-run", "--output-dir", str(folder.parent / "chain")]
    assert main(["run", "cold-start-nano", *own]) == 0
    said = capsys.readouterr().out
    generating = [line for line in said.splitlines() if " generate " in line and "--output_path" in line]
    assert len(generating) == 2
    assert all(f"--prompts {folder}" in line for line in generating)
    assert main(["run", "cold-start-nano", "--dry-run", *own[-2:]]) == 0
    said = capsys.readouterr().out
    assert not any("--prompts" in line for line in said.splitlines() if " generate " in line)
