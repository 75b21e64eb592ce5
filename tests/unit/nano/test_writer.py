"""The writer of the nano world: reproducible, correct, and without held-out combinations.

What stands in a text is read here with patterns made from the wordings, apart from the objects that wrote it.
"""

from __future__ import annotations

import json
import random
import re
from functools import cache
from itertools import pairwise

import pytest

from nano.benchmark import PATH as BENCHMARK
from nano.benchmark import rows
from nano.catalogue import CONCEPTS, LEVELS, least_families, seeds
from nano.catalogue import PATH as CATALOGUE
from nano.families import BY_KEY, FAMILIES, Family
from nano.holdout import held_out_chain, held_out_combination, held_out_phrase
from nano.problems import Design, DesignError, Rule, completion, design
from nano.seeds import PATH as SEEDS
from nano.seeds import rows as seed_rows
from nano.sentences import Sentence, read_problem
from nano.solutions import work_out
from nano.solving import walk
from nano.texts import ROLES, VARIANTS, example, fitting_level, request, template
from promptcot import domains
from promptcot.core.parsing.blocks import Unreadable, parse_others
from promptcot.nano.findings import has_problem

COUNT = 2000
EVERY = (*ROLES, *VARIANTS)
ANYTHING = Rule(lambda keys: True, lambda made: True)


@cache
def texts(role: str) -> list[tuple[str, str]]:
    return [(one.prompt, one.completion) for one in (example(role, 7, index) for index in range(COUNT))]


@cache
def patterns() -> list[tuple[str, str, re.Pattern[str]]]:
    """Key, beginning and pattern (any operand in each slot, or none) of each wording."""
    found = []
    for family in FAMILIES:
        for wording in family.wordings:
            pattern = re.sub(r"( ?)SLOT", r"\1?(?:\\d+|[A-Z])?", re.escape(re.sub(r"{\w+}", "SLOT", wording)))
            found.append((family.key, wording.split("{")[0].strip(), re.compile(pattern.replace(r"\ ", " "))))
    return found


@cache
def family_in(sentence: str) -> list[str]:
    """The key of the family that a sentence speaks of, if any."""
    return [key for key, start, pattern in patterns() if start in sentence and pattern.search(sentence)][:1]


def chain(problem: str) -> list[str]:
    """The family keys of a problem's sentences, in order."""
    return [key for sentence in re.split(r"(?<=[.?]) ", problem) for key in family_in(sentence)]


def problems(role: str) -> list[str]:
    if role in ("solver", "verifier"):
        return [prompt.splitlines()[0] for prompt, _ in texts(role)]
    if role == "annotator":
        return [prompt.splitlines()[0].removeprefix("Problem: ") for prompt, _ in texts(role)]
    bodies = [completion if "generator" in role else prompt for prompt, completion in texts(role)]
    return [m[1] for body in bodies if (m := re.search(r"BEGIN PROBLEM -->\n(.+)\n<!-- END PROBLEM", body))]


@cache
def benchmark() -> list[tuple[str, list[Sentence]]]:
    """The level and the sentences of each problem in the file."""
    written = [json.loads(line) for line in BENCHMARK.read_text().splitlines()]
    return [(row["level"], read_problem(row["problem"])) for row in written]


def in_every_wording(sentence: Sentence) -> list[str]:
    assert sentence.family is not None
    return [wording.format_map(sentence.shown) for wording in sentence.family.wordings]


def concepts_in(role: str) -> list[tuple[str, ...]]:
    """The combinations of concepts in the prompts of a role, and in what an annotator finds."""
    asked = [tuple(re.findall(r"^\d\. (.+)$", prompt, re.M)) for prompt, _ in texts(role)]
    found = [tuple(json.loads(m[1])) for _, text in texts(role) if (m := re.search(r"```python\n(.+)\n```", text))]
    return [*filter(None, asked), *found]


def drawn(count: int, seed: int, rule: Rule = ANYTHING) -> list[Design]:
    rng = random.Random(seed)
    made: list[Design] = []
    while len(made) < count:
        try:
            made.append(design(rng.sample(CONCEPTS, rng.randint(1, 3)), LEVELS[len(made) % 3], rng, rule))
        except DesignError:  # two families of the combination can only stand first
            continue
    return made


@pytest.mark.parametrize("role", EVERY)
def test_the_same_seed_and_index_give_the_same_text(role: str) -> None:
    assert [example(role, 3, index) for index in range(20)] == [example(role, 3, index) for index in range(20)]
    assert example(role, 3, 0) != example(role, 4, 0) != example(role, 4, 1)


@pytest.mark.parametrize("role", EVERY)
def test_no_training_text_has_a_held_out_chain(role: str) -> None:
    chains = [chain(problem) for problem in problems(role)]
    assert sum(len(keys) > 1 for keys in chains) > COUNT / 3
    for keys in chains:
        assert not held_out_chain(keys)
        assert not any(held_out_chain(pair) for pair in pairwise(keys))


@pytest.mark.parametrize("role", EVERY)
def test_no_training_text_has_a_held_out_phrase(role: str) -> None:
    """Neither those of the benchmark nor any other, wherever it stands."""
    everything = "\n".join(prompt + completion for prompt, completion in texts(role))
    phrases = [first.phrase for _, [first, *_] in benchmark()]
    assert len(phrases) == 200
    assert not [phrase for phrase in phrases if re.search(re.escape(phrase) + r"(?!\d)", everything)]
    literal = [
        m[0]
        for family in FAMILIES
        for wording in family.wordings
        for m in re.finditer(re.sub(r"\\{\w+\\}", r"\\d+", re.escape(wording)), everything)
    ]
    assert len(literal) > COUNT / 4
    assert not [phrase for phrase in literal if held_out_phrase(phrase)]


@pytest.mark.parametrize("role", [role for role in EVERY if role not in ("solver", "verifier")])
def test_no_training_text_has_a_held_out_combination(role: str) -> None:
    found = concepts_in(role)
    assert len(found) == COUNT
    assert all(2 <= len(concepts) <= 3 and set(concepts) <= set(CONCEPTS) for concepts in found)
    assert not any(held_out_combination(concepts) for concepts in found)


def test_about_a_fifth_of_all_combinations_is_held_out() -> None:
    rng = random.Random(0)
    share = sum(held_out_combination(rng.sample(CONCEPTS, 3)) for _ in range(2000)) / 2000
    assert 0.17 < share < 0.23


def test_a_held_out_combination_stays_so_in_another_order() -> None:
    held = next(concepts for concepts, _ in seeds() if held_out_combination(concepts))
    assert held_out_combination(held[::-1])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_a_family_draws_numbers_that_exist_and_fit_the_value_before(family: Family) -> None:
    rng = random.Random(1)
    found = [family.draw(rng, 0) for _ in range(1000)]
    linked = [(n, family.draw(rng, n)) for n in range(1, 400)] if family.slot else []
    for reference, made in [(0, one) for one in found] + linked:
        if made is None:
            continue
        assert tuple(sorted(made.operands)) == tuple(sorted(family.slots))
        assert family.value(made.operands) == made.value
        assert max(made.operands.values()) <= 1500
        assert all(right for _, right in made.checks)
        assert not reference or (made.linked and made.operands[family.slot] == reference)
    assert sum(made is not None for made in found) > 600
    assert not linked or sum(made is not None for _, made in linked) > 30


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.key)
def test_the_written_work_knows_which_numbers_exist(family: Family) -> None:
    """The value by small steps and the value by formula agree on good, spoilt and arbitrary operands."""
    rng = random.Random(2)
    spoilt = 0
    for index in range(600):
        made = family.draw(rng, rng.randint(1, 99) if family.slot and index % 2 else 0)
        if made is None:
            continue
        assert work_out(family.key, made.operands)[1] == made.value
        if wrong := family.spoil(made.operands, rng):
            spoilt += 1
            assert not family.exists(wrong)
            assert work_out(family.key, wrong)[1] is None
        strange = {slot: rng.randint(0, 60) for slot in family.slots}
        assert work_out(family.key, strange)[1] == family.value(strange)
    assert spoilt > 100


def test_nearly_every_pair_and_triple_of_families_makes_a_chain() -> None:
    """One of each pair with a slot for a reference; in some order."""
    rng = random.Random(3)
    by_concepts = {family.key: family.concepts for family in FAMILIES}
    for size, level in ((2, "AIME"), (3, "HMMT-Feb")):
        made = missing = 0
        for _ in range(150):
            keys = rng.sample(sorted(BY_KEY), size)
            if sum(not BY_KEY[key].slot for key in keys) > 1:
                continue
            concepts = [by_concepts[key][0] for key in keys]
            try:
                made += len(design(concepts, level, rng, ANYTHING).steps) == size
            except DesignError:
                missing += 1
        assert missing < made / 50


@pytest.mark.parametrize("level", LEVELS)
def test_two_thousand_designs_of_a_level_are_well_posed_and_true(level: str) -> None:
    rng = random.Random(5)
    for _ in range(2000):
        made = design((), level, rng, ANYTHING)
        assert len(made.steps) == LEVELS.index(level) + 1
        walked = walk(read_problem(made.problem))
        assert (walked.flaw, walked.values) == ("", [step.value for step in made.steps])
        assert made.answer == walked.values[-1] <= 999
        assert made.solution == walked.solution
        assert made.solution.endswith(f"So {made.answer}.\n</think>\nThe answer is \\boxed{{{made.answer}}}.")
        before = 0
        for step in made.steps:
            assert step.family.exists(step.operands)
            assert not step.before or step.operands[step.family.slot] == before
            before = step.value


def sums(text: str) -> list[str]:
    """The sums that do not hold, `a/b=q r c` too; this reads the text and not the objects."""
    wrong = []
    for whole, left, sign, right, result, rest in re.findall(
        r"(?<![\d^x] )\b((\d+)([-+*/])(\d+)=(\d+)(?: r (\d+))?)", text
    ):
        a, b = int(left), int(right)
        value = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[sign]
        if value != int(result) or (sign == "/" and a - b * value != int(rest or 0)):
            wrong.append(whole)
    return wrong


@pytest.mark.parametrize("role", ["solver", "verifier", "generator", "generator-after"])
def test_every_sum_in_a_completion_holds(role: str) -> None:
    assert not [wrong for _, completion in texts(role) for wrong in sums(completion.replace("<!--", ""))]


def test_every_concept_of_a_request_is_in_the_generators_text() -> None:
    """The level is drawn so that the steps can hold the concepts."""
    for prompt, written in texts("generator"):
        concepts = re.findall(r"^\d\. (.+)$", prompt, re.M)
        labels = " and ".join(re.findall(r"^Step \d uses ([^:]+):", written, re.M))
        assert all(concept in labels for concept in concepts)
        steps = LEVELS.index(re.search(r"Level: (.+)", prompt)[1]) + 1  # type: ignore[index]
        assert len(re.findall(r"^Step ", written, re.M)) == steps >= least_families(tuple(concepts))


def test_a_request_asks_for_a_level_that_can_hold_its_concepts_and_for_each_often() -> None:
    rng = random.Random(4)
    asked = [request(rng) for _ in range(600)]
    assert all(prompt.endswith(f"Level: {stated}\n") for _, stated, prompt in asked)
    beyond = [LEVELS.index(stated) + 1 - least_families(concepts) for concepts, stated, _ in asked]
    assert set(beyond) == {0, 1, 2}
    assert beyond.count(0) > 300
    levels = [stated for _, stated, _ in asked]
    assert min(levels.count(level) for level in LEVELS) > 600 / 6


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_level_is_mostly_the_shortest_that_fits(size: int) -> None:
    """Half for concepts of one family, 60 % for those of two, and always the longest for three."""
    rng = random.Random(5)
    concepts = next(concepts for concepts, _ in seeds() if least_families(concepts) == size)
    found = [fitting_level(concepts, rng) for _ in range(1000)]
    share = found.count(LEVELS[size - 1]) / 1000
    assert share == pytest.approx({1: 0.5, 2: 0.6, 3: 1.0}[size], abs=0.06)


def test_the_kinds_of_rationale_have_the_lines_of_the_page() -> None:
    made = next(one for one in drawn(600, seed=6) if one.keys[0] == "larger_root" and len(one.steps) == 2)
    first = made.explained("design-first").splitlines()
    assert re.fullmatch(r"Step 1 \w+ [^:]+: roots \d+ and \d+; \d+\+\d+=\d+; \d+\*\d+=\d+; [AMR]=\d+\.", first[1])
    assert "; " in first[2]
    assert not re.search(r"; [A-Z]=\d+\.$", first[2])
    after = made.explained("after the fact").splitlines()
    assert after[1].startswith(f"{first[1].split(':')[0]}: take the larger ")
    assert made.steps[0].sentence.phrase in after[1]
    assert made.explained("labels only").splitlines()[1:] == [f"{line.split(':')[0]}." for line in first[1:]]
    assert made.explained("none") == first[0] == "The level AIME asks for 2 steps."
    assert completion(made.explained("none"), "P.").count("\n") == 5


def test_a_reference_is_used_once_and_every_name_is_defined() -> None:
    for problem in problems("generator"):
        for name in re.findall(r"(?:Let|that|by) ([AMRBNS])\b", problem):
            assert len(re.findall(rf"\b{name}(?![A-Za-wyz])", problem)) == 2
        assert problem.count(". ") + 1 >= len(chain(problem)) >= 1


def test_benchmark_is_held_out_and_as_written() -> None:
    """All by the first step, most of them in either wording of its family; the longer ones by their chain, too."""
    found = benchmark()
    assert [sum(level == other for other, _ in found) for level in LEVELS] == [67, 67, 66]
    for level, sentences in found:
        keys = [sentence.family.key for sentence in sentences if sentence.family]
        assert len(keys) == len(sentences) == LEVELS.index(level) + 1
        assert held_out_phrase(sentences[0].phrase)
        assert len(keys) == 1 or held_out_chain(keys)
    in_both = [all(map(held_out_phrase, in_every_wording(first))) for _, [first, *_] in found]
    assert sum(in_both) > len(found) / 2
    for level in LEVELS:
        families = {first.family.key for other, [first, *_] in found if first.family and other == level}
        assert len(families) >= 14
    assert [json.loads(line) for line in BENCHMARK.read_text().splitlines()] == rows()


def test_seed_problems_are_as_written_and_right() -> None:
    written = [json.loads(line) for line in SEEDS.read_text().splitlines()]
    assert written == seed_rows()
    for row in written:
        assert str(walk(read_problem(row["problem"])).values[-1]) == row["answer"]


def test_no_seed_problem_begins_like_the_benchmark_in_other_words() -> None:
    firsts = [read_problem(json.loads(line)["problem"])[0] for line in SEEDS.read_text().splitlines()]
    phrases = {first.family.phrases(first.shown) for first in firsts if first.family}
    held = [first for _, [first, *_] in benchmark()]
    assert len(phrases) > 1000
    assert not phrases & {first.family.phrases(first.shown) for first in held if first.family}


def test_catalogue_is_as_written_and_its_counts_are_flat() -> None:
    written = [json.loads(line) for line in CATALOGUE.read_text().splitlines()]
    assert [(tuple(row["concepts"]), row["level"]) for row in written] == seeds()
    assert len(written) >= 400
    assert all(has_problem(row["concepts"], row["level"]) for row in written)
    counts: dict[tuple[str, str], int] = {}
    for row in written:
        assert LEVELS.index(row["level"]) + 1 == least_families(tuple(row["concepts"]))
        for i, one in enumerate(row["concepts"]):
            for other in row["concepts"][:i]:
                pair = (min(one, other), max(one, other))
                counts[pair] = counts.get(pair, 0) + 1
    assert max(counts.values()) <= 4
    assert sum(count > 2 for count in counts.values()) < len(counts) / 50


def test_prompts_are_exact() -> None:
    concepts = ["integer roots", "midpoints"]
    listed = "Concepts:\n1. integer roots\n2. midpoints\n"
    assert template("generate").render(concepts=concepts, level="AIME") == listed + "Level: AIME\n"
    judge = template("judge").render(concepts=concepts, level="AIME", material="<b> {{ x }}\n")
    assert judge == f"Level: AIME\n{listed}Material:\n<b> {{{{ x }}}}\n\nRatings:\n"
    assert template("solve").render(problem="Find 1 & 2.") == "Find 1 & 2.\n"
    assert template("verify").render(problem="Find 1 & 2.") == "Find 1 & 2.\nVerdict:\n"


def test_the_tables_of_families_are_whole() -> None:
    assert len(FAMILIES) == len(BY_KEY) == 18
    assert all(not family.slot or family.slot in family.slots for family in FAMILIES)
    assert all(len(family.concepts) == 3 for family in FAMILIES)


def test_the_annotator_works_a_problem_out_and_its_rationale_can_be_read() -> None:
    explained = [text for _, text in texts("annotator") if "```" not in text]
    assert len(explained) > COUNT / 3
    for text in explained:
        assert text.startswith("Step 1: ")
        found = parse_others(text, blocks=domains.load("nano").settings.written)
        assert not isinstance(found, Unreadable)
        assert found["rationale"].startswith("The level "), text
