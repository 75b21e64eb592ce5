"""The checker on hand-written problems, on the page that describes the language, and on hostile text."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot import nano
from promptcot.errors import InputError
from promptcot.nano import (
    CONCEPTS,
    REASONS,
    ROLES,
    IllPosed,
    Solution,
    check,
    concepts_used,
    files,
    mask_numbers,
)
from promptcot.nano.families import FAMILIES, LIMIT, Family
from tests.programs import computing_at_most
from tests.unit.nano import brute_force, mutations

ROOT = Path(__file__).parents[3]
CASES = [json.loads(line) for line in (ROOT / "tests/cases/nano_problems.jsonl").read_text("utf-8").splitlines()]
SOUND = [case for case in CASES if "answer" in case]
SMALL = [case["problem"] for case in SOUND if "00000" not in case["problem"]]
EXAMPLE = "Let A be the larger root of x^2 - 11x + 28 = 0. Find the number halfway between A and 19."


def solved(problem: str) -> Solution:
    outcome = check(problem)
    assert isinstance(outcome, Solution), (problem, outcome)
    return outcome


@pytest.mark.parametrize("case", CASES, ids=[case["problem"][:60] or "(empty)" for case in CASES])
def test_case(case: dict[str, object]) -> None:
    outcome = check(str(case["problem"]))
    if isinstance(outcome, IllPosed):
        assert (outcome.reason, None) == (case.get("reason"), case.get("answer")), outcome
    else:
        assert outcome.answer == case.get("answer")
        assert [step.family for step in outcome.steps] == case["families"]


def test_the_cases_show_every_wording_every_reference_every_frame_and_every_reason() -> None:
    text = mask_numbers("\n".join(case["problem"] for case in SOUND))
    for family in FAMILIES:
        for wording in family.wordings:
            assert mask_numbers(re.sub(r"\{\w\}", "#", wording)) in re.sub(r"(?<= )[A-Z](?![a-z])", "#", text), wording
        failing = [case for case in CASES if case.get("reason") == "no such number"]
        details = [outcome.detail for case in failing if isinstance(outcome := check(case["problem"]), IllPosed)]
        assert any(detail.startswith(f"{family.name}, ") for detail in details), family.name
    for frame in brute_force.frames():
        start, _, end = (re.escape(part) for part in frame.partition("PHRASE"))
        assert re.search(start.replace("A", "[A-Z]") + "[^.?]+" + end, text), frame
    referred = {step.family for case in SOUND for step in solved(case["problem"]).steps[1:]}
    assert referred == {family.name for family in FAMILIES if family.reference}
    assert {case["reason"] for case in CASES if "reason" in case} == set(REASONS)


def test_the_table_of_families_is_word_for_word_that_of_the_language() -> None:
    ours = {family.name: (family.wordings, family.reference, family.concepts) for family in FAMILIES}
    assert ours == brute_force.described()
    assert len(ours) == 18


@pytest.mark.parametrize(("family", "fits"), brute_force.FITS.items())
def test_the_value_is_the_one_number_that_the_words_mean(family: str, fits: Callable[..., bool]) -> None:
    ours = next(one for one in FAMILIES if one.name == family)
    slots = re.findall(r"\{(\w)\}", ours.wordings[0])
    largest = {1: 300, 2: 24, 3: 9}[len(slots)]
    found = []
    for operands in product(range(1, largest + 1), repeat=len(slots)):
        values = dict(zip(slots, operands, strict=True))
        value = ours.value(**values)
        assert [x for x in range(1, 600) if fits(x, **values)] == [value] * (value is not None), values
        found.append(value)
    assert sum(value is not None for value in found) > 10


@pytest.mark.parametrize(
    ("problem", "level"),
    [
        ("Find the geometric mean of 4 and 9.", "AMC12"),
        (EXAMPLE, "AIME"),
        (
            "Let A be the geometric mean of 4 and 9. Let B be the geometric mean of A and 6. "
            "Find the geometric mean of B and 6.",
            "HMMT-Feb",
        ),
    ],
)
def test_the_level_follows_from_the_number_of_steps(problem: str, level: str) -> None:
    assert solved(problem).level == level


def test_a_solution_shows_how_each_operand_was_read() -> None:
    steps = solved(EXAMPLE).steps
    assert [(operand.slot, operand.text, operand.value) for operand in steps[0].operands] == [
        ("s", "11", 11),
        ("p", "28", 28),
    ]
    assert [(operand.slot, operand.text, operand.value) for operand in steps[1].operands] == [
        ("a", "A", 7),
        ("b", "19", 19),
    ]


def test_concepts_used_are_those_of_the_steps_in_order_each_once() -> None:
    both = "Let A be the number halfway between 3 and 5. Find the larger of two numbers with difference A and sum 10."
    assert concepts_used(solved(both)) == (*CONCEPTS["midpoint"], "systems of equations", "sums and differences")


def test_masked_texts_are_equal_where_only_numbers_differ() -> None:
    assert mask_numbers(EXAMPLE) == mask_numbers(EXAMPLE.replace("28", "30").replace("19", "8"))
    assert mask_numbers(EXAMPLE) == (
        "Let A be the larger root of x^# - #x + # = #. Find the number halfway between A and #."
    )


@pytest.mark.parametrize("damage", mutations.ALL, ids=[damage.__name__ for damage in mutations.ALL])
def test_a_damaged_problem_is_judged_as_by_brute_force(damage: Callable[[str], Iterator[str]]) -> None:
    mutants = [mutant for problem in SMALL for mutant in damage(problem.strip())]
    assert len(mutants) > 30
    for mutant in mutants:
        outcome, right = check(mutant), brute_force.answer(mutant)
        if isinstance(outcome, Solution):
            assert outcome.answer == str(right), mutant
        else:
            assert right is None, (mutant, outcome)


def test_a_consistently_renamed_problem_is_the_same_problem() -> None:
    assert solved(EXAMPLE.replace("A", "R")).answer == solved(EXAMPLE).answer


HUGE = "9" * 1_000_000
HOSTILE = {
    "digits beyond the limit of int": "Find the geometric mean of 4 and " + "9" * 5000 + ".",
    "a megabyte of digits": f"Find the geometric mean of {HUGE} and 9.",
    "a megabyte of digits in an equation": f"Find the larger root of x^2 - {HUGE}x + {HUGE} = 0.",
    "a megabyte of zeros": "Find the geometric mean of " + "0" * 1_000_000 + " and 9.",
    "a megabyte of dots": "." * 1_000_000,
    "a megabyte of dots and spaces": ". " * 500_000,
    "a megabyte of phrases": "Find " + "the geometric mean of 4 and " * 36_000 + "9.",
    "a megabyte of references": "Find the geometric mean of " + "A and " * 170_000 + "9.",
    "a megabyte of questions": "Find the geometric mean of 4 and 9. " * 28_000,
    "a megabyte of definitions": "Let A be the geometric mean of 4 and 9. " * 25_000,
    "a megabyte of openings": "Let A be " * 110_000,
    "a megabyte of line breaks": "\n" * 1_000_000,
    "a long last word": "Find the geometric mean of 4 and 9. " + "x" * 1_000_000,
    "control characters and lone surrogates": "Find \x00 the \ud800 geometric mean \u202e of 4 and 9.",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_answered(name: str) -> None:
    with computing_at_most():
        outcome = check(HOSTILE[name])
    assert isinstance(outcome, IllPosed)
    assert outcome.reason in REASONS
    assert len(outcome.detail) <= 80


@pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
def test_the_largest_operands_are_no_trouble(family: Family) -> None:
    for wording in family.wordings:
        outcome = check("Find " + re.sub(r"\{\w\}", str(LIMIT), wording) + ".")
        assert isinstance(outcome, Solution) or outcome.reason in ("no such number", "too large")


FRAGMENTS = st.sampled_from(
    sorted({word for case in CASES for word in re.findall(r" |[^ ]+", case["problem"])})
    + mutations.sentences(" ".join(case["problem"] for case in SOUND[:60]))
)


@given(st.one_of(st.text(), st.lists(FRAGMENTS, max_size=12).map(" ".join)))
def test_any_text_is_solved_or_ill_posed(text: str) -> None:
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
