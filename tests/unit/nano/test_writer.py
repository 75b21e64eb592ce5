"""The writer of the nano world: reproducible, correct, and without held-out combinations.

What stands in a text is read here with patterns made from the wordings, apart from the objects that wrote it.
"""

from __future__ import annotations

import json
import random
import re
from contextlib import suppress
from functools import cache
from itertools import pairwise

import pytest

from nano.benchmark import PATH as BENCHMARK
from nano.benchmark import designs, rows
from nano.catalogue import CONCEPTS, LEVELS, seeds
from nano.catalogue import PATH as CATALOGUE
from nano.holdout import held_out_chain, held_out_combination, held_out_phrase
from nano.judging import DEFECTS, MIXES, draft, rate, verdict
from nano.operations import BY_KEY, OPERATIONS
from nano.problems import DesignError, design
from nano.solutions import worked_value
from nano.texts import ROLES, example, template

COUNT = 2000


@cache
def texts(role: str) -> list[tuple[str, str]]:
    return [(one.prompt, one.completion) for one in (example(role, 7, index) for index in range(COUNT))]


OPERAND = r"\(?[\w -]*?(?:\d+|[AMRBNS]\b)(?: \+ \d)?\)?"


@cache
def patterns() -> list[tuple[str, str, re.Pattern[str]]]:
    """Key, beginning and pattern (any operand in each slot) of each wording, longest first: one may hold another."""
    found = []
    for operation in OPERATIONS:
        for wording in operation.wordings:
            slots = re.sub(r"\{\w+(:\w)?\}", "SLOT", wording)
            pattern = re.compile(re.escape(slots).replace("SLOT", OPERAND))
            found.append((operation.key, slots.split("SLOT")[0], pattern))
    return sorted(found, key=lambda found: -len(found[2].pattern))


@cache
def operation_in(sentence: str) -> list[str]:
    """The key of the operation that a sentence speaks of, if any."""
    return [key for key, start, pattern in patterns() if start in sentence and pattern.search(sentence)][:1]


def chain(problem: str) -> list[str]:
    """The operation keys of a problem's sentences, in order."""
    return [key for sentence in re.split(r"(?<=[.?]) ", problem) for key in operation_in(sentence)]


def problems(role: str) -> list[str]:
    if role == "solver":
        return [prompt.strip() for prompt, _ in texts(role)]
    if role == "annotator":
        return [prompt.splitlines()[0].removeprefix("Problem: ") for prompt, _ in texts(role)]
    bodies = [completion if role == "generator" else prompt for prompt, completion in texts(role)]
    return [m[1] for body in bodies if (m := re.search(r"BEGIN PROBLEM -->\n(.+)\n<!-- END PROBLEM", body))]


@pytest.mark.parametrize("role", ROLES)
def test_the_same_seed_and_index_give_the_same_text(role: str) -> None:
    assert [example(role, 3, index) for index in range(20)] == [example(role, 3, index) for index in range(20)]
    assert example(role, 3, 0) != example(role, 4, 0) != example(role, 4, 1)


@pytest.mark.parametrize("role", ROLES)
def test_no_training_text_has_a_held_out_chain(role: str) -> None:
    chains = [chain(problem) for problem in problems(role)]
    assert sum(len(keys) > 1 for keys in chains) > COUNT / 3
    for keys in chains:
        assert not held_out_chain(keys)
        assert not any(held_out_chain(pair) for pair in pairwise(keys))


@pytest.mark.parametrize("role", ROLES)
def test_no_training_text_has_a_held_out_phrase(role: str) -> None:
    """Neither those of the benchmark nor any other, wherever it stands."""
    everything = "\n".join(
        re.sub(r"the [\w-]+ number (\d)", r"\1", prompt + completion) for prompt, completion in texts(role)
    )
    phrases = [made.steps[0].valued for made in designs() if made.level == LEVELS[0]]
    assert not [phrase for phrase in phrases if re.search(re.escape(phrase) + r"(?!\d)", everything)]
    literal = [
        m[0] for _, _, pattern in patterns() for m in pattern.finditer(everything) if not re.search(r"[AMRBNS]\b", m[0])
    ]
    assert len(literal) > COUNT / 4
    # P(x) and the bag are told apart by their setups, which the phrase alone does not show
    assert not [phrase for phrase in literal if "P" not in phrase and "ball" not in phrase and held_out_phrase(phrase)]


@pytest.mark.parametrize("role", ["generator", "judge-a", "judge-b"])
def test_no_training_text_has_a_held_out_combination(role: str) -> None:
    found = [tuple(re.findall(r"^\d\. (.+)$", prompt, re.M)) for prompt, _ in texts(role)]
    assert all(2 <= len(concepts) <= 3 and set(concepts) <= set(CONCEPTS) for concepts in found)
    assert not any(held_out_combination(concepts) for concepts in found)


def test_about_a_fifth_of_all_combinations_is_held_out() -> None:
    rng = random.Random(0)
    share = sum(held_out_combination(rng.sample(CONCEPTS, 3)) for _ in range(2000)) / 2000
    assert 0.17 < share < 0.23


def test_a_held_out_combination_stays_so_in_another_order() -> None:
    held = next(concepts for concepts, _ in seeds() if held_out_combination(concepts))
    assert held_out_combination(held[::-1])


def test_written_work_and_formula_agree_and_the_answer_is_the_value() -> None:
    rng = random.Random(5)
    for index in range(1000):
        made = design((), LEVELS[index % 3], rng)
        before = 0
        for step in made.steps:
            assert step.reference == before
            assert worked_value(step.operation.key, step.inputs) == step.value <= 999
            before = step.value
        assert made.solution.endswith(f"So the answer is {before}.\n</think>\nThe answer is \\boxed{{{before}}}.")


def test_every_equation_in_a_solution_holds() -> None:
    """`a/b=q r c` too; this reads the text and not the objects."""
    for _, solution in texts("solver"):
        for left, sign, right, result, rest in re.findall(
            r"(?<![\d^x] )\b(\d+)([-+*/^])(\d+)=(\d+)(?: r (\d+))?", solution
        ):
            a, b = int(left), int(right)
            value = {"+": a + b, "-": a - b, "*": a * b, "/": a // b if b else 0, "^": a**b if b < 20 else 0}[sign]
            assert value == int(result)
            assert sign != "/" or a - b * value == int(rest or 0)


def test_a_reference_is_used_once_and_every_name_is_defined() -> None:
    for problem in problems("generator"):
        for name in re.findall(r"(?:Let|that|by) ([AMRBNS])\b", problem):
            assert len(re.findall(rf"\b{name}\b(?! bag)", problem)) == 2
        assert problem.count(". ") + 1 >= len(chain(problem)) >= 1


def test_benchmark_is_held_out_and_as_written() -> None:
    made = designs()
    assert [sum(one.level == level for one in made) for level in LEVELS] == [67, 67, 66]
    for one in made:
        assert held_out_chain(one.keys) if len(one.keys) > 1 else held_out_phrase(one.steps[0].valued)
    assert [json.loads(line) for line in BENCHMARK.read_text().splitlines()] == rows()


def test_catalogue_is_as_written_and_its_counts_are_flat() -> None:
    written = [json.loads(line) for line in CATALOGUE.read_text().splitlines()]
    assert [(tuple(row["concepts"]), row["level"]) for row in written] == seeds()
    assert len(written) >= 400
    counts: dict[tuple[str, str], int] = {}
    for row in written:
        for i, one in enumerate(row["concepts"]):
            for other in row["concepts"][:i]:
                pair = (min(one, other), max(one, other))
                counts[pair] = counts.get(pair, 0) + 1
    assert max(counts.values()) <= 4
    assert sum(count > 2 for count in counts.values()) < len(counts) / 50


def test_prompts_are_exact() -> None:
    concepts = ["prime factorization", "modular arithmetic"]
    listed = "Concepts:\n1. prime factorization\n2. modular arithmetic\n"
    assert template("generate").render(concepts=concepts, level="AIME") == listed + "Level: AIME\n"
    judge = template("judge").render(concepts=concepts, level="AIME", material="<b> {{ x }}\n")
    assert judge == f"Level: AIME\n{listed}Material:\n<b> {{{{ x }}}}\n\nRatings:\n"
    assert template("solve").render(problem="Find 1 & 2.") == "Find 1 & 2.\n"


@pytest.mark.parametrize("judge", sorted(MIXES))
def test_about_half_of_the_material_is_good_and_every_defect_occurs(judge: str) -> None:
    verdicts = [completion.rsplit(" ", 1)[1] for _, completion in texts(judge)]
    assert 0.4 < verdicts.count("perfect") / COUNT < 0.6
    assert set(MIXES[judge]) == {"unused", "level", *DEFECTS}
    for place in range(5):
        ratings = [completion.splitlines()[-6 + place].split(": ")[1] for _, completion in texts(judge)]
        assert 0.02 < ratings.count("bad") / COUNT < 0.4


def test_judges_differ_in_strictness_only_where_the_page_says() -> None:
    rng = random.Random(2)
    drafts = []
    for index in range(600):
        with suppress(DesignError):  # one step has no place for some defects
            drafts.append(
                draft(("prime numbers", "prime factors", "floor function"), LEVELS[index % 3], "judge-a", rng)
            )
    assert len(drafts) > 300
    for made in drafts:
        lenient, strict = rate(made, "judge-a"), rate(made, "judge-b")
        assert [lenient[i] for i in (0, 1, 4)] == [strict[i] for i in (0, 1, 4)]
        assert (lenient[3], strict[3]) in [("perfect", "perfect"), ("acceptable", "bad"), ("bad", "bad")]


@pytest.mark.parametrize(
    ("ratings", "expected"),
    [
        (["perfect"] * 5, "perfect"),
        (["acceptable", "perfect", "perfect", "perfect", "perfect"], "perfect"),
        (["acceptable", "perfect", "acceptable", "perfect", "perfect"], "acceptable"),
        (["perfect", "acceptable", "perfect", "perfect", "perfect"], "acceptable"),
        (["perfect", "perfect", "perfect", "bad", "perfect"], "bad"),
    ],
)
def test_the_verdict_follows_from_the_ratings(ratings: list[str], expected: str) -> None:
    assert verdict(ratings) == expected


def test_the_tables_of_operations_are_whole() -> None:
    assert len(OPERATIONS) == len(BY_KEY) == 26
    assert all(not operation.slot or operation.slot in operation.ranges for operation in OPERATIONS)
