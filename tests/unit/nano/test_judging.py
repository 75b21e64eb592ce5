"""What the judges and the verifier learn: each planted defect costs what it must, and the words say why."""

from __future__ import annotations

import random
import re
from functools import cache

import pytest

from nano.catalogue import CONCEPTS, LEVELS
from nano.dense import dense
from nano.judging import ASPECTS, judge_text, verdict
from nano.planting import ASPECT, KINDS, Draft, draft
from nano.problems import DesignError, completion
from nano.sentences import read_problem
from nano.solving import REFUSAL, walk
from nano.texts import DENSE_UNTIL, asked, example, generated, judged
from nano.verifying import CRITERIA, ill_posed, text_of, verification
from promptcot.nano import Solution, check

JUDGES = ("judge-a", "judge-b")
BODY = re.compile(r"BEGIN PROBLEM -->\n(.+)\n<!-- END PROBLEM")


@cache
def planted(judge: str, kind: str) -> tuple[Draft, ...]:
    """Drafts with a defect of the kind ("": with none)."""
    rng = random.Random(f"{judge} {kind}")
    made: list[Draft] = []
    for _ in range(400):
        try:
            concepts = tuple(rng.sample(CONCEPTS, rng.choice((2, 3))))
            made.append(draft(concepts, rng.choice(LEVELS), judge, rng, (kind,) if kind else ()))
        except DesignError:  # one step has no place for some defects
            continue
    return tuple(made)


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_defect_costs_its_rating(judge: str, kind: str) -> None:
    drafts = planted(judge, kind)
    assert len(drafts) > 150
    for made in drafts:
        assert made.judgement.ratings[ASPECT[kind]] == "bad" or (
            judge == "judge-a" and kind in ("level", "unused") and made.judgement.ratings[ASPECT[kind]] == "acceptable"
        )


@pytest.mark.parametrize("judge", JUDGES)
def test_material_without_a_defect_is_perfect_and_its_problem_well_posed(judge: str) -> None:
    drafts = planted(judge, "")
    assert len(drafts) > 60  # most levels are too short for concepts drawn at random
    for made in drafts:
        assert made.judgement.verdict == "perfect"
        assert re.search(r"\b(no|false)\b", " ".join(made.judgement.findings)) is None
        problem = BODY.search(made.material)
        assert problem
        assert walk(read_problem(problem[1])).flaw == ""


@pytest.mark.parametrize("kind", ["constraint", "dropped", "renamed", "unlinked"])
def test_a_problem_with_such_a_defect_is_ill_posed(kind: str) -> None:
    for made in planted("judge-a", kind):
        problem = BODY.search(made.material)
        assert problem
        assert walk(read_problem(problem[1])).flaw, made.material


def test_a_wrong_sum_is_in_the_rationale_with_and_without_consequence() -> None:
    solvable = [made.judgement.ratings[4] for made in planted("judge-a", "sum")]
    assert solvable.count("perfect") > 40
    assert solvable.count("bad") > 40
    for made in planted("judge-a", "sum"):
        wrong = [
            f"{a}{sign}{b}={c}"
            for a, sign, b, c in re.findall(r"(\d+)([-+*/])(\d+)=(\d+)", made.material)
            if {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b), "/": int(a) / max(int(b), 1)}[sign]
            != int(c)
        ]
        assert wrong or re.search(r"[A-Z]=\d+/\S+ no", made.judgement.reply), made.material


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_rating_follows_from_words_before_it(judge: str, kind: str) -> None:
    for made in planted(judge, kind):
        ratings = dict(zip(ASPECTS, made.judgement.ratings, strict=True))
        *steps, found = made.judgement.findings
        facts = found.removeprefix("Found: ").rstrip(".").split("; ")
        assert (ratings["Format"] == "bad") == ("markup broken" in facts)
        need, has = re.findall(r"\d", next(fact for fact in facts if fact.startswith("steps ")))
        assert (ratings["Difficulty Alignment"] == "perfect") == (need == has)
        assert (ratings["Concept Coverage"] == "perfect") == (not {f"{c} no" for c in made.concepts} & set(facts))
        unsound = "names no" in facts or any(re.search(r"\bno\b", line) for line in steps)
        if judge == "judge-b":
            assert (ratings["Factual Accuracy"] == "bad") == any(re.search("sums no|unread no", s) for s in steps)
            assert (ratings["Solvability"] == "bad") == unsound
        elif not unsound:
            assert ratings["Factual Accuracy"] == ratings["Solvability"] == "perfect"


def test_a_judge_a_that_recomputes_writes_the_right_result() -> None:
    for made in planted("judge-a", "sum"):
        for a, sign, b, c in re.findall(r"(\d+)([-+*])(\d+)=(\d+)(?:/\S+ ok|/\S+ no|,)", made.judgement.reply):
            assert {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign] == int(c)


def test_judges_differ_in_strictness_only_where_the_page_says() -> None:
    for kind in KINDS:
        for made in planted("judge-a", kind):
            strict = judge_text(made.concepts, made.level, made.material, "judge-b")
            assert strict
            lenient = made.judgement.ratings
            assert lenient[:2] == strict.ratings[:2]
            assert (lenient[2], strict.ratings[2]) in [("perfect", "perfect"), ("acceptable", "bad"), ("bad", "bad")]
            assert (lenient[3], strict.ratings[3]) in [("perfect", "perfect"), ("acceptable", "bad"), ("bad", "bad")]
            assert strict.ratings[4] == ("bad" if "bad" in (lenient[1], lenient[4]) else "perfect")


def test_a_noisy_rationale_is_bad_to_both_judges() -> None:
    """Nearly always: another problem may have the same numbers, where there are few."""
    bad = []
    for index in range(300):
        one = example("generator-noisy", 7, index)
        concepts = re.findall(r"^\d\. (.+)$", one.prompt, re.M)
        level = one.prompt.split("Level: ")[1].strip()
        for judge in JUDGES:
            judgement = judge_text(concepts, level, one.completion, judge)
            assert judgement
            bad.append(judgement.verdict == "bad")
    assert sum(bad) / len(bad) > 0.99


def test_an_idea_in_the_wrong_order_is_false_but_harms_only_what_uses_its_value() -> None:
    one = "<!-- BEGIN RATIONALE -->\nThe level AMC12 asks for 1 step.\nStep 1 uses perimeters: sides 8 and 3; 8*3=24; 8+3=11; 11+11=22.\n<!-- END RATIONALE -->\n<!-- BEGIN PROBLEM -->\nFind the longer side of a rectangle with area 24 and perimeter 22.\n<!-- END PROBLEM -->"  # noqa: E501
    judgement = judge_text(("perimeters",), "AMC12", one, "judge-a")
    assert judgement
    assert judgement.ratings == ("perfect", "bad", "perfect", "perfect", "perfect")
    assert "3<8 false" in judgement.reply


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "Step 1 uses averages: mean 3 of 5, 4 and another; 3*3=9; 9-5=4; 4-4=0.",
            "Find the number whose mean with 5 and 4 is 3.",
        ),
        ("Step 1 uses parity: steps of 0 from 8; 0+0=0; 8+0=8.", "Find the number halfway between 8 and 8."),
        (
            "Step 1 uses linear equations: solution 2 of 600000x + 5; 600000*2=1200000; 1200000+5=1200005.",
            "Find the solution of 600000x + 5 = 1200005.",
        ),
    ],
)
def test_right_sums_of_a_number_that_does_not_exist_are_not_solvable(judge: str, line: str, problem: str) -> None:
    text = (
        f"<!-- BEGIN RATIONALE -->\nThe level AMC12 asks for 1 step.\n{line}\n<!-- END RATIONALE -->\n"
        f"<!-- BEGIN PROBLEM -->\n{problem}\n<!-- END PROBLEM -->"
    )
    judgement = judge_text(("averages",), "AMC12", text, judge)
    assert judgement
    assert judgement.ratings[1] == "perfect"
    assert judgement.ratings[4] == "bad", judgement.reply


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(("first", "least", "most"), [(0, 0.2, 0.35), (DENSE_UNTIL, 0.37, 0.5)])
def test_judges_see_enough_of_good_and_of_bad_material(judge: str, first: int, least: float, most: float) -> None:
    """Less that is good at first, when many texts have much that is wrong."""
    verdicts = [example(judge, 7, first + index).completion.rsplit(" ", 1)[1] for index in range(1000)]
    assert least < verdicts.count("perfect") / 1000 < most


@pytest.mark.parametrize("judge", JUDGES)
def test_any_text_can_be_judged_and_none_that_is_ill_posed_is_solvable(judge: str) -> None:
    rng = random.Random(8)
    letters = "0123456789AMRBNS ;:.?=+-*/xnewl\n"
    for _ in range(1500):
        try:
            made = generated(rng)
        except DesignError:
            continue
        text = list(completion(made.explained(rng.choice(("design-first", "after the fact", "none"))), made.problem))
        for _ in range(rng.choice((1, 1, 2, 6, 30))):
            place = rng.randrange(len(text))
            text[place : place + rng.randint(0, 1)] = rng.choice(letters)
        broken = "".join(text)
        if (judgement := judge_text(made.concepts, made.level, broken, judge)) is None:
            continue
        problem = BODY.search(broken)
        if judgement.ratings[4] == "perfect" and problem:  # the package's checker shares no code with the judges' texts
            assert isinstance(check(problem[1]), Solution), broken
        assert judged(made.concepts, made.level, broken, judge) is not None


@pytest.mark.parametrize(
    "text", ["", "\n", "Find.", "<!-- BEGIN RATIONALE -->", "Step 1 uses x: 9 sides.", "9" * 20000, "9 sides" * 150]
)
def test_strange_material_has_a_bad_judgement_or_none(text: str) -> None:
    judgement = judge_text(("midpoints", "parity"), "AIME", text, "judge-a")
    assert judgement is None or judgement.verdict == "bad"


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


@pytest.mark.parametrize(
    ("problem", "said", "criterion"),
    [
        ("Find the larger root of x^2 - 11x + 28 = 0.", "So 7.", ""),
        ("Find the larger root of x^2 - 11x + 27 = 0.", "No square.", "conditions"),
        ("Find the larger root of x^2 - 4x + 4 = 0.", "16=16.", "conditions"),
        ("Compute the whole number that gives 85 when multiplied by 7.", "85/7=12 r 1.", "conditions"),
        ("Find the midpoint of 0 and 8 on the number line.", "0=0.", "conditions"),
        ("Find the midpoint of A and 8 on the number line.", "A is not defined.", "terms"),
        ("Find the midpoint of 4 and on the number line.", "An operand is missing.", "terms"),
        ("Find the distance of 4 and 8.", "It cannot be read.", "terms"),
        ("Find the midpoint of 4 and 8 on the number line?", "It cannot be read.", "terms"),
        ("What is the midpoint of 4 and 8 on the number line.", "It cannot be read.", "terms"),
        ("Let B be the midpoint of 4 and 8 on the number line.", "B has the wrong place.", "terms"),
        ("Let A be the midpoint of 4 and 8 on the number line.", "There is no question.", "question"),
        (
            "Let A be the midpoint of 4 and 8 on the number line. Find the number halfway between 6 and 8.",
            "A is not used.",
            "terms",
        ),
        (
            "Let A be the midpoint of 4 and 8 on the number line. Find the number halfway between 6 and A.",
            "A has the wrong place.",
            "terms",
        ),
        (
            "Let A be the midpoint of 4 and 8 on the number line. Find the number halfway between A and A.",
            "A is used twice.",
            "terms",
        ),
        (
            "Let A be the midpoint of 4 and 8 on the number line. Let B be the midpoint of A and 8 on the number line. "
            "Find the number halfway between A and 8.",
            "A is used again.",
            "terms",
        ),
        (
            "Find the midpoint of 4 and 8 on the number line. Find the number halfway between 6 and 8.",
            "There is a second question.",
            "question",
        ),
        (
            "Find the midpoint of 4 and 8 on the number line. Let A be the number halfway between 6 and 8.",
            "Text follows the question.",
            "question",
        ),
        ("", "There is no question.", "question"),
    ],
)
def test_what_is_wrong_with_a_problem_ends_the_thoughts(problem: str, said: str, criterion: str) -> None:
    walked = walk(read_problem(problem))
    assert walked.flaw == criterion
    assert walked.lines[-1].endswith(said)
    assert walked.solution.endswith(REFUSAL) == bool(criterion)
    answers = [f"{label}: {'no' if key == criterion else 'yes'}" for key, label in CRITERIA.items()]
    verdict = f"Final Verdict: {'invalid' if criterion else 'valid'}"
    assert verification(walked).splitlines()[-4:] == [*answers, verdict]


def test_the_solver_refuses_a_fifth_and_the_verifier_half() -> None:
    refused = [example("solver", 7, index).completion.endswith(REFUSAL) for index in range(1000)]
    invalid = [example("verifier", 7, index).completion.endswith(" invalid") for index in range(1000)]
    assert 0.15 < sum(refused) / 1000 < 0.25
    assert 0.42 < sum(invalid) / 1000 < 0.58


@pytest.mark.parametrize("level", LEVELS)
def test_ill_posed_problems_are_wrong_in_every_way_that_they_can_be(level: str) -> None:
    rng = random.Random(9)
    made = [ill_posed(level, rng) for _ in range(300)]
    flaws = [walk(sentences).flaw for sentences in made]
    assert [walk(read_problem(text_of(sentences))).lines for sentences in made] == [walk(one).lines for one in made]
    assert set(flaws) == set(CRITERIA)
    assert flaws.count("conditions") > 150


@pytest.mark.parametrize("judge", JUDGES)
def test_dense_material_has_much_that_is_wrong_and_much_that_is_right(judge: str) -> None:
    rng = random.Random(10)
    marks = []
    while len(marks) < 2000:
        try:
            made = dense(*asked(rng), judge, rng)
        except DesignError:
            continue
        marks += re.findall(r"/\S+ (ok|no)\b", made.judgement.reply)
        assert judge_text(made.concepts, made.level, made.material, judge) == made.judgement
    assert 0.15 < marks.count("no") / len(marks) < 0.5
