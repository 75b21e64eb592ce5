"""Rationales read against their problem: kinds, false sums, every design, and hostile text."""

import json
import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.nano.designs import DESIGNS
from promptcot.nano.families import CONCEPTS, FAMILIES
from promptcot.nano.rationales import KINDS, false_sums, kind
from tests.programs import computing_at_most
from tests.unit.nano.brute_force import PAGE

CASES = json.loads((Path(__file__).parents[2] / "cases/nano_rationales.json").read_text("utf-8"))
CASE = CASES["problem of two steps"]
PROBLEM, LEVEL = CASE["problem"], CASE["level"]
LINES = [[(of_line, text) for of_line, texts in step.items() for text in texts] for step in CASE["steps"]]


@pytest.mark.parametrize(("first", "second"), list(product(*LINES)))
def test_a_rationale_has_the_kind_of_its_worst_line(first: tuple[str, str], second: tuple[str, str]) -> None:
    wanted = max(first[0], second[0], key=lambda of_line: KINDS.index(of_line))  # type: ignore[arg-type]
    assert kind("\n".join((LEVEL, first[1], second[1])), PROBLEM) == wanted


FIRST, SECOND = (step["design-first"][0] for step in CASE["steps"])


@pytest.mark.parametrize(
    ("rationale", "wanted"),
    [
        (None, "none"),
        ("", "none"),
        (" \n", "none"),
        (LEVEL, "none"),
        ("The level AMC12 asks for 1 step.", "none"),
        ("The level AMC12 asks for 1 steps.", "noisy"),
        ("The level AIME asks for 3 steps.", "noisy"),
        ("Some other text.", "noisy"),
        (f"{FIRST}\n{SECOND}", "noisy"),
        (f"{LEVEL}\n{FIRST}", "noisy"),
        (f"{LEVEL}\n{SECOND}\n{FIRST}", "noisy"),
        (f"{LEVEL}\n{FIRST}\n{SECOND}\n{SECOND}", "noisy"),
        (f"{LEVEL}\n\n{FIRST}\n{SECOND}", "noisy"),
        (f"{LEVEL}\n{FIRST}\n{SECOND}\n", "design-first"),
        (f"The level HMMT-Feb asks for 3 steps.\n{FIRST}\n{SECOND}", "design-first"),  # the level is another matter
    ],
)
def test_the_lines_are_those_of_the_problem(rationale: str | None, wanted: str) -> None:
    assert kind(rationale, PROBLEM) == wanted


@pytest.mark.parametrize(
    "damaged",
    [
        PROBLEM.replace("28", "27"),
        PROBLEM.replace("19", "21"),
        PROBLEM.replace("between A", "between 7"),
        PROBLEM.replace("between A", "between M"),
        PROBLEM.replace("19", "A"),
        PROBLEM.replace("28", "A"),
        PROBLEM.replace("Let A", "Let M"),
        PROBLEM.partition(". ")[2],
        PROBLEM.replace("halfway", "somewhere"),
        PROBLEM + " Good luck.",
        "",
    ],
)
def test_a_rationale_of_another_problem_is_noisy(damaged: str) -> None:
    assert kind(f"{LEVEL}\n{FIRST}\n{SECOND}", PROBLEM) == "design-first"
    assert kind(f"{LEVEL}\n{FIRST}\n{SECOND}", damaged) == "noisy"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("4+7=11; 4*7=28; 9-4=5; 12/4=3; 4-7=-3", ()),
        ("4+7=12; 4*7=28; 9-4=6", ("4+7=12", "9-4=6")),
        ("7/2=3; 7/0=0; 0/7=0", ("7/2=3", "7/0=0")),
        ("x^2 - 11x + 28 = 0; A=7; probability 2/5", ()),
        ("1" * 40 + "+1=2; 04+1=6", ()),  # no numbers of the language
        ("", ()),
    ],
)
def test_false_sums(text: str, wanted: tuple[str, ...]) -> None:
    assert false_sums(text) == wanted


# A step with numbers for each family and variant: problem phrase, idea, sums, and the sums and value if it is named.
DESIGNED = {
    "larger_root": (
        ("roots 4 and 7; 4+7=11; 4*7=28", "the larger root of x^2 - 11x + 28 = 0", "", 7),
        ("root 2 of sum A=6; 6-2=4; 2*4=8", "the larger root of x^2 - Ax + 8 = 0", "", 4),
    ),
    "quotient": (
        ("12 rows of 7; 12*7=84", "the number of rows when 84 chairs stand in rows of 7", "", 12),
        ("14 rows of A=6; 14*6=84", "the number of rows when 84 chairs stand in rows of A", "", 14),
    ),
    "hypotenuse": (
        (
            "hypotenuse of 3 times 3, 4, 5; 3*3=9; 3*4=12",
            "the diagonal of a rectangle with sides 9 and 12",
            "3*5=15",
            15,
        ),
        (
            "hypotenuse of 3, 4, 5 with leg A=6; 6/3=2; 2*4=8",
            "the hypotenuse of a right triangle with legs A and 8",
            "2*5=10",
            10,
        ),
    ),
    "other_leg": (
        (
            "leg of 2 times 5, 12, 13; 2*5=10; 2*13=26",
            "the other side of a rectangle with side 10 and diagonal 26",
            "2*12=24",
            24,
        ),
        (
            "leg of 3, 4, 5 with leg A=6; 6/3=2; 2*5=10",
            "the other leg of a right triangle with leg A and hypotenuse 10",
            "2*4=8",
            8,
        ),
    ),
    "common_difference": (
        (
            "11 terms from 3 by 4; 10*4=40; 3+40=43",
            "the common difference of the arithmetic sequence with first term 3 and 11th term 43",
            "",
            4,
        ),
        (
            "11 terms from A=6 by 4; 10*4=40; 6+40=46",
            "the common difference of the arithmetic sequence with first term A and 11th term 46",
            "",
            4,
        ),
    ),
    "midpoint": (
        ("steps of 6 from 7; 6+6=12; 7+12=19", "the number halfway between 7 and 19", "7+6=13", 13),
        ("steps of 5 from A=6; 5+5=10; 6+10=16", "the midpoint of A and 16 on the number line", "6+5=11", 11),
    ),
    "common_ratio": (
        (
            "ratio 4 from 3; 4*4=16; 16*3=48",
            "the positive common ratio of the geometric sequence with first term 3 and third term 48",
            "",
            4,
        ),
        (
            "ratio 2 from A=6; 2*2=4; 4*6=24",
            "the positive common ratio of the geometric sequence with first term A and third term 24",
            "",
            2,
        ),
    ),
    "square_side": (
        (
            "2 times the squares of 2 and 3; 2*2=4; 2*4=8; 3*3=9; 2*9=18",
            "the geometric mean of 8 and 18",
            "2*3=6; 2*6=12",
            12,
        ),
        ("A=6 times the square of 2; 2*2=4; 6*4=24", "the geometric mean of A and 24", "6*2=12", 12),
    ),
    "linear": (
        ("solution 7 of 3x + 4; 3*7=21; 21+4=25", "the solution of 3x + 4 = 25", "", 7),
        ("solution 7 of 3x + A=6; 3*7=21; 21+6=27", "the solution of 3x + A = 27", "", 7),
    ),
    "sum_difference": (
        ("7 and 6 more; 7+6=13; 7+13=20", "the larger of two numbers with difference 6 and sum 20", "", 13),
        ("7 and A=6 more; 7+6=13; 7+13=20", "the larger of two numbers with difference A and sum 20", "", 13),
    ),
    "rectangle_side": (
        (
            "sides 4 and 6; 4*6=24; 4+6=10; 10+10=20",
            "the longer side of a rectangle with area 24 and perimeter 20",
            "",
            6,
        ),
        (
            "side 2 of area A=6; 6/2=3; 2+3=5; 5+5=10",
            "the longer side of a rectangle with area A and perimeter 10",
            "",
            3,
        ),
    ),
    "polygon_sides": (
        ("6 sides; 6-3=3; 6*3=18; 18/2=9", "the number of sides of a convex polygon with 9 diagonals", "", 6),
    ),
    "triangular_index": (
        (
            "integers up to 10; 10+1=11; 10*11=110; 110/2=55",
            "the number of consecutive integers from 1 up whose sum is 55",
            "",
            10,
        ),
    ),
    "missing_mean": (
        ("mean 7 of 4, 9 and another; 3*7=21; 21-4=17; 17-9=8", "the number whose mean with 4 and 9 is 7", "", 8),
        ("mean A=6 of 4, 9 and another; 3*6=18; 18-4=14; 14-9=5", "the number whose mean with 4 and 9 is A", "", 5),
    ),
    "gcd_lcm": (
        (
            "6 times the coprime 3 and 5; 6*3=18; 18*5=90",
            "the number that has greatest common divisor 6 and least common multiple 90 with 18",
            "6*5=30",
            30,
        ),
        (
            "A=6 times the coprime 3 and 5; 6*3=18; 18*5=90",
            "the number that has greatest common divisor A and least common multiple 90 with 18",
            "6*5=30",
            30,
        ),
    ),
    "bag_size": (
        (
            "3 times 2 of 5; 3*2=6",
            "the number of tickets in a raffle with 6 winning tickets when a ticket wins with probability 2/5",
            "3*5=15",
            15,
        ),
        (
            "2 of 5 with A=6 red; 6/2=3",
            "the number of tickets in a raffle with A winning tickets when a ticket wins with probability 2/5",
            "3*5=15",
            15,
        ),
    ),
    "consecutive": (
        ("4 integers from 5; 4*5=20; 20+6=26", "the smallest of 4 consecutive positive integers with sum 26", "", 5),
        ("3 integers of sum A=6; 6-3=3; 3/3=1", "the smallest of 3 consecutive positive integers with sum A", "", 1),
    ),
    "square_difference": (
        (
            "squares of 5 and 2 more; 5+2=7; 5+7=12; 2*12=24",
            "the larger of two positive integers that differ by 2 and whose squares differ by 24",
            "",
            7,
        ),
        (
            "squares of 1 and A=6 more; 1+6=7; 1+7=8; 6*8=48",
            "the larger of two positive integers that differ by A and whose squares differ by 48",
            "",
            7,
        ),
    ),
}
SIX = "Let A be the geometric mean of 4 and 9. "
OF_SIX = "Step 1 uses perfect squares: 1 times the squares of 2 and 3; 2*2=4; 1*4=4; 3*3=9; 1*9=9; 2*3=6; 1*6=6; A=6.\n"
VARIANTS = [(family, *case) for family, cases in DESIGNED.items() for case in cases]


def designed(family: str, parts: str, phrase: str, of_value: str, value: int, *, named: bool) -> tuple[str, str]:
    """A rationale and its problem in which the step is asked for, or named and followed by another one."""
    refers = "A=6" in parts
    number = 2 if refers else 1
    name = "B" if refers else "A"
    line = f"Step {number} adds {CONCEPTS[family][0]}: {parts}"
    problem, rationale = (SIX, OF_SIX) if refers else ("", "")
    if named:
        line += f"; {of_value}; {name}={value}" if of_value else f"; {name}={value}"
        last = (
            f"Step {number + 1} uses linear equations: solution 2 of 3x + {name}={value}; 3*2=6; 6+{value}={value + 6}."
        )
        problem += f"Let {name} be {phrase}. Find the solution of 3x + {name} = {value + 6}."
        rationale += f"{line}.\n{last}"
    else:
        problem += f"Find {phrase}."
        rationale += f"{line}."
    steps = number + named
    level = ("AMC12 asks for 1 step", "AIME asks for 2 steps", "HMMT-Feb asks for 3 steps")[steps - 1]
    return f"The level {level}.\n{rationale}", problem


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize(
    "case", VARIANTS, ids=[f"{case[0]}{' with reference' * ('A=6' in case[1])}" for case in VARIANTS]
)
def test_every_design_is_read_and_every_changed_number_noticed(
    case: tuple[str, str, str, str, int], named: bool
) -> None:
    rationale, problem = designed(*case, named=named)
    assert kind(rationale, problem) == "design-first"
    start = rationale.index(": ")
    for number in re.finditer("[0-9]+", rationale):
        if number.start() > start:
            changed = f"{rationale[: number.start()]}{int(number[0]) + 1}{rationale[number.end() :]}"
            assert kind(changed, problem) == "noisy", changed
    for number in re.finditer("[0-9]+", problem):
        changed = f"{problem[: number.start()]}{int(number[0]) + 1}{problem[number.end() :]}"
        assert kind(rationale, changed) == "noisy", changed


def test_the_designs_of_all_families_and_references_are_tried() -> None:
    assert {
        (family.name, refers) for family in FAMILIES for refers in (False, True) if family.reference or not refers
    } == {(case[0], "A=6" in case[1]) for case in VARIANTS}


def test_the_ideas_and_sums_are_those_of_the_page() -> None:
    described = {}
    for line in PAGE.partition("## Rationales")[2].splitlines():
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and name in DESIGNS:
            described[name] = cells
    assert set(described) == set(DESIGNS) == set(CONCEPTS)
    for family in FAMILIES:
        idea, sums, referring, referring_sums, value = described[family.name]
        ours = DESIGNS[family.name]
        # The page calls the value n where it is the only number of an idea, and writes A=s for the reference s.
        as_ours = [text.replace("{n}", "{v}").replace("n-3", "v-3").replace("n+1", "v+1") for text in (idea, sums)]
        shown = [ours.idea, ours.sums]
        assert re.sub(r"\bn\*e", "v*e", as_ours[1].partition(", where")[0].rpartition(") ")[2]) == shown[1]
        assert as_ours[0] == shown[0]
        slot = family.reference
        assert ours.referring.replace(f"{{{slot}}}", f"A={slot}") == referring
        if referring_sums != "the same":
            assert (ours.referring_sums or ours.sums * bool(slot)) == referring_sums
        else:
            assert not ours.referring_sums
        with_reference = f" (with reference {ours.referring_value})" if ours.referring_value else ""
        assert f"{ours.value}{with_reference}" == value


HOSTILE = {
    "a megabyte of digits": "1" * 1_000_000,
    "a megabyte of digits in a sum": "1" * 500_000 + "+" + "1" * 500_000 + "=2",
    "a megabyte of signs": "-" * 1_000_000,
    "a megabyte of sums": "1+1=2; " * 150_000,
    "a megabyte of line breaks": f"{LEVEL}{LEVEL.join(['x'] * 2)}" + "\n" * 1_000_000 + "x",
    "a megabyte of labels": f"{LEVEL}\nStep 1 uses {' and '.join(['sums and differences'] * 40_000)}.\n{SECOND}",
    "a megabyte of parts": f"{LEVEL}\nStep 1 uses parity: {'; '.join(['A=7'] * 200_000)}.\n{SECOND}",
    "a megabyte of unfinished labels": f"{LEVEL}\nStep 1 uses {'sums and ' * 110_000}.\n{SECOND}",
    "odd characters": f"{LEVEL}\nStep 1 uses \x00\ud800.\nStep 2",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_noisy_at_once(name: str) -> None:
    with computing_at_most():
        assert kind(HOSTILE[name], PROBLEM) == "noisy"
        assert kind(f"{LEVEL}\n{FIRST}\n{SECOND}", HOSTILE[name]) == "noisy"
        false_sums(HOSTILE[name])


WORDS = st.sampled_from(
    [*re.findall(r"\n|[^ \n]+", " ".join(text for lines in LINES for _, text in lines)), " ", LEVEL]
)


@given(st.one_of(st.text(), st.lists(WORDS, max_size=25).map(" ".join)), st.sampled_from([PROBLEM, "", "Find x."]))
def test_any_text_has_a_kind(text: str, problem: str) -> None:
    assert kind(text, problem) in KINDS
    assert kind(f"{LEVEL}\n{text}\n{SECOND}", problem) in KINDS
