"""The checker on hand-written problems, on the page that describes the language, and on hostile text."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promptcot.nano.arithmetic import LIMIT
from promptcot.nano.operations import OPERATIONS

from promptcot import nano
from promptcot.errors import InputError
from promptcot.nano import (
    CONCEPTS,
    REASONS,
    ROLES,
    IllFormed,
    Solution,
    arithmetic,
    check,
    concepts_used,
    files,
    mask_numbers,
)
from tests.programs import computing_at_most
from tests.unit.nano import mutations

ROOT = Path(__file__).parents[3]
CASES = [json.loads(line) for line in (ROOT / "tests/cases/nano_problems.jsonl").read_text("utf-8").splitlines()]
SOUND = [case for case in CASES if "answer" in case]
EXAMPLE = "Let A be the number of positive divisors of 360. Find the remainder when 3^A is divided by 7."


def solved(problem: str) -> Solution:
    outcome = check(problem)
    assert isinstance(outcome, Solution), (problem, outcome)
    return outcome


@pytest.mark.parametrize("case", CASES, ids=[case["problem"][:60] or "(empty)" for case in CASES])
def test_case(case: dict[str, object]) -> None:
    outcome = check(str(case["problem"]))
    if isinstance(outcome, IllFormed):
        assert (outcome.reason, None) == (case.get("reason"), case.get("answer")), outcome
    else:
        assert outcome.answer == case.get("answer")
        assert [step.operation for step in outcome.steps] == case["operations"]


def test_the_cases_show_every_wording_every_reference_and_every_reason() -> None:
    text = mask_numbers("\n".join(case["problem"] for case in SOUND)).replace("A + #", "A")
    for operation in OPERATIONS:
        for wording in operation.wordings:
            assert mask_numbers(re.sub(r"\{\w\}", "#", wording)) in text, wording
    referred = {step.operation for case in SOUND for step in solved(case["problem"]).steps[1:]}
    assert referred == {operation.name for operation in OPERATIONS if operation.reference}
    assert {case["reason"] for case in CASES if "reason" in case} == set(REASONS)


def described_operations() -> dict[str, tuple[object, ...]]:
    """Setup, wordings, slot of the reference and concepts of each row of the table in nano/LANGUAGE.md."""
    rows = {}
    for line in (ROOT / "nano/LANGUAGE.md").read_text("utf-8").splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or not re.fullmatch("[a-z_]+", name) or name == "operation":
            continue
        setup, _, phrases = cells[0].rpartition(" — phrase: ")
        wordings = tuple(phrases.removesuffix(", for a literal only").split(" / "))
        reference = None if cells[3] == "-" else cells[3].partition(",")[0]
        rows[name] = (setup.removeprefix("setup: ") or None, wordings, reference, tuple(cells[4].split("; ")))
    return rows


def test_the_table_of_operations_is_word_for_word_that_of_the_language() -> None:
    ours = {op.name: (op.setup, op.wordings, op.reference, op.concepts) for op in OPERATIONS}
    assert ours == described_operations()
    assert len(ours) == 26


@pytest.mark.parametrize(
    ("problem", "level"),
    [
        ("Find the digit sum of 12.", "AMC12"),
        (EXAMPLE, "AIME"),
        ("Let A be the digit sum of 12. Let B be the digit sum of A. Find the digit sum of B.", "HMMT-Feb"),
    ],
)
def test_the_level_follows_from_the_number_of_steps(problem: str, level: str) -> None:
    assert solved(problem).level == level


def test_a_solution_shows_how_each_operand_was_read() -> None:
    step = solved("Let M be the digit sum of the odd number 99. Find the value of 2^(M + 1) modulo 10.").steps
    assert [(operand.slot, operand.text, operand.value) for operand in step[0].operands] == [("n", "99", 99)]
    assert [(operand.slot, operand.text, operand.value) for operand in step[1].operands] == [
        ("a", "2", 2),
        ("k", "M + 1", 19),
        ("m", "10", 10),
    ]


def test_concepts_used_are_those_of_the_steps_in_order_each_once() -> None:
    solution = solved("Let A be the number of positive divisors of 360. Find the least common multiple of A and 5.")
    assert concepts_used(solution) == (*CONCEPTS["divisors"], "least common multiple", "divisibility")


def test_masked_texts_are_equal_where_only_numbers_differ() -> None:
    other = EXAMPLE.replace("360", "12").replace("3^", "5^")
    assert mask_numbers(EXAMPLE) == mask_numbers(other)
    assert mask_numbers(EXAMPLE) == (
        "Let A be the number of positive divisors of #. Find the remainder when #^A is divided by #."
    )


def test_a_changed_number_is_noticed() -> None:
    noticed = []
    for case in SOUND:
        original = solved(case["problem"])
        for mutant in mutations.with_a_number_changed(case["problem"]):
            noticed.append(mutations.assert_number_noticed(original, check(mutant), mutant))
    assert len(noticed) > 500
    assert sum(noticed) / len(noticed) > 0.7


def test_a_dropped_sentence_is_noticed() -> None:
    for case in SOUND:
        for mutant in mutations.with_a_sentence_dropped(case["problem"].strip()):
            assert isinstance(check(mutant), IllFormed), mutant


def test_a_swapped_name_is_noticed() -> None:
    mutants = [mutant for case in SOUND for mutant in mutations.with_a_name_swapped(case["problem"])]
    assert len(mutants) > 100
    for mutant in mutants:
        assert isinstance(check(mutant), IllFormed), mutant


def test_a_consistently_renamed_problem_is_the_same_problem() -> None:
    renamed = EXAMPLE.replace("Let A", "Let R").replace("3^A", "3^R")
    assert solved(renamed).answer == solved(EXAMPLE).answer


HUGE = "9" * 1_000_000
HOSTILE = {
    "tower of powers": "Find the remainder when 9^9^9 is divided by 7.",
    "huge power": "Find the remainder when 1000000000^1000000000 is divided by 999999937.",
    "huge factorial": "Find the number of trailing zeros of 1000000000!.",
    "huge number of subsets": "Find the number of subsets of a set with 1000000000 elements.",
    "huge binomial coefficient": "Find the binomial coefficient C(1000000000, 500000000).",
    "huge geometric sum": "Find the sum of the geometric sequence that starts at 1, has common ratio 1000000000"
    " and has 1000000000 terms.",
    "large prime": "Find the number of positive divisors of 999999937.",
    "digits beyond the limit of int": "Find the digit sum of " + "9" * 5000 + ".",
    "a megabyte of digits": f"Find the digit sum of {HUGE}.",
    "a megabyte of digits after a plus": f"Let A be the digit sum of 12. Find the digit sum of A + {HUGE}.",
    "a megabyte of digits as claimed": f"Find the digit sum of the odd number {HUGE}.",
    "a megabyte of zeros": "Find the digit sum of " + "0" * 1_000_000 + ".",
    "a megabyte of dots": "." * 1_000_000,
    "a megabyte of dots and spaces": ". " * 500_000,
    "a megabyte of brackets": "Find P" + "(" * 500_000 + ")" * 500_000 + ".",
    "a megabyte of claims": "Find the digit sum of " + "the even number " * 60_000 + "12.",
    "a megabyte of sums": "Find the digit sum of A" + " + 1" * 250_000 + ".",
    "a megabyte of questions": "Find the digit sum of 12. " * 40_000,
    "a megabyte of definitions": "Let A be the digit sum of 12. " * 35_000,
    "a megabyte of setups": "Let P(x) = x^2 + 5x + 3. " * 40_000,
    "a megabyte of openings": "Let A be " * 110_000,
    "a megabyte of line breaks": "\n" * 1_000_000,
    "a long last word": "Find the digit sum of 12. " + "x" * 1_000_000,
    "control characters and lone surrogates": "Find \x00 the \ud800 digit sum \u202e of 12.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_answered(name: str) -> None:
    with computing_at_most():
        outcome = check(HOSTILE[name])
    if isinstance(outcome, IllFormed):
        assert outcome.reason in REASONS
        assert len(outcome.detail) <= 80
    else:
        assert name in ("huge power", "huge factorial", "large prime")


@pytest.mark.parametrize(
    "value",
    [
        arithmetic.power_of_two(LIMIT),
        arithmetic.choose(LIMIT, LIMIT // 2),
        arithmetic.geometric_sum(1, LIMIT, LIMIT),
    ],
)
def test_a_value_beyond_the_limit_is_never_computed_in_full(value: int) -> None:
    assert LIMIT < value < LIMIT**3


FRAGMENTS = st.sampled_from(
    sorted({word for case in CASES for word in re.findall(r" |[^ ]+", case["problem"])})
    + mutations.sentences(" ".join(case["problem"] for case in SOUND[:60]))
)


@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=12).map(" ".join)))
def test_any_text_is_solved_or_ill_formed(text: str) -> None:
    outcome = check(text)
    assert isinstance(outcome, Solution) or outcome.reason in REASONS


def test_importing_the_checker_loads_only_the_standard_library() -> None:
    code = "import sys, promptcot.nano; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT / "src", capture_output=True, check=True, text=True
    )
    loaded = set(done.stdout.split()) - sys.stdlib_module_names
    assert loaded <= {"promptcot", "__main__", "__mp_main__"}


def test_the_folder_of_a_role_is_that_of_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PACKAGE", tmp_path)
    folder = tmp_path / "models" / "judge-a"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match="weights of the embedded judge-a are missing"):
        nano.path("judge-a")
    (folder / "model.safetensors").touch()
    assert nano.path("judge-a") == folder


@pytest.mark.parametrize("role", ["judge", "", "../generator", "Generator"])
def test_an_unknown_role_is_refused_with_the_known_ones(role: str) -> None:
    with pytest.raises(InputError) as caught:
        nano.path(role)
    assert all(known in str(caught.value) for known in ROLES)


def test_the_data_files_lie_inside_the_package() -> None:
    package = ROOT / "src/promptcot/nano"
    assert nano.benchmark_path() == package / "benchmark.jsonl"
    assert nano.concepts_path() == package / "concepts.jsonl"
