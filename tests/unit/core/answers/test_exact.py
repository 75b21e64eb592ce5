"""Comparisons of two answers without computer algebra."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.answers.exact import mutual, same, same_integer
from tests.programs import computing_at_most

INTEGERS = st.integers(-(10**12), 10**12)
FRACTIONS = st.builds(lambda a, b: f"\\frac{{{a}}}{{{b}}}", INTEGERS, st.integers(1, 10**6))
NUMBERS = st.one_of(INTEGERS.map(str), FRACTIONS, st.decimals(-1000, 1000, places=3).map(str))
ANSWERS = st.one_of(
    NUMBERS,
    st.lists(NUMBERS, min_size=2, max_size=4).map(lambda parts: "(" + ", ".join(parts) + ")"),
    st.lists(NUMBERS, min_size=2, max_size=4).map(lambda parts: ", ".join(parts)),
    NUMBERS.map(lambda number: f"x = {number}"),
    st.sampled_from([r"\text{east}", "(C)", r"[0, 1)", r"x > 3", r"75^\circ", r"35\%", "52_8", r"3 \text{ cm}", "2:3"]),
)
ANYTHING = st.text(alphabet=string.printable, max_size=40)
SPACES = st.sampled_from([" ", r"\,", r"\;", r"\!", r"\ ", r"\quad ", "~"])


@given(st.one_of(ANSWERS, ANYTHING))
def test_an_answer_is_the_same_as_itself(answer: str) -> None:
    assert same(answer, answer) is True
    assert mutual(answer, answer) is True


@given(st.one_of(ANSWERS, ANYTHING), st.one_of(ANSWERS, ANYTHING))
def test_the_relation_of_labels_is_symmetric(one: str, other: str) -> None:
    assert mutual(one, other) == mutual(other, one)


@given(st.one_of(ANSWERS, ANYTHING), st.one_of(ANSWERS, ANYTHING))
def test_two_answers_are_the_same_where_each_is_right_beside_the_other(one: str, other: str) -> None:
    both = [same(one, other), same(other, one)]
    assert mutual(one, other) is (False if False in both else None if None in both else True)


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=3), st.data())
def test_wordings_without_units_are_the_same_as_a_whole(values: list[int], data: st.DataObject) -> None:
    """With units they need not be: 5 is 5 cm and 5 m, which are not the same."""
    forms = [
        "{0}",
        "{0}.0",
        "x = {0}",
        r"\frac{{{0}}}{{1}}",
        r"\text{{{0}}}",
        "({0}, 1)",
        "{0}, 1",
        "1, {0}",
        r"\{{{0}, 1\}}",
    ]
    a, b, c = (data.draw(st.sampled_from(forms)).format(value) for value in values)
    if mutual(a, b) and mutual(b, c):
        assert mutual(a, c) is True


@given(ANSWERS, SPACES, SPACES)
def test_latex_spacing_changes_nothing(answer: str, before: str, after: str) -> None:
    assert same(answer, f"{before}{answer}{after}") is True
    assert same(answer, answer.replace(", ", f",{before}")) is not False or before == r"\!"
    assert same(answer, f"$ {answer} $") is True


@given(INTEGERS, INTEGERS)
def test_integers_are_compared_as_integers(one: int, other: int) -> None:
    assert same(str(one), f"{other:,}") is (one == other)
    assert same_integer(f"{one:,}", str(other)) is (one == other)
    assert same(str(one), f"{one}00") is (one == 0)


@pytest.mark.parametrize("answer", ["7", "007", "+7", "7.0", "7.", " 7 ", "$7$", r"\boxed{7}"])
def test_the_same_integer_however_it_is_written(answer: str) -> None:
    assert same_integer("7", answer)


@pytest.mark.parametrize(
    "answer",
    [
        "8",
        "-7",
        "7.5",
        "7, 7",
        "7/2",
        "700",
        "0.07",
        "x=8",
        "7\\%",
        "7 \\text{ and } 8",
        "seven",
        "",
        "7 8",
        "7" * 5000,
    ],
)
def test_everything_else_is_another_integer(answer: str) -> None:
    assert not same_integer("7", answer)


def test_thousands_and_zero_as_integers() -> None:
    assert same_integer("1234", "1,234")
    assert same_integer("0", "-0")
    assert not same_integer("1234", "1,23,4")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("0.1", "10\\%", True),
        ("10", "10\\%", True),
        ("1", "0.01\\%", False),
        ("1,22", "1.22", True),
        ("1,22", "1, 22", True),
        ("52_8", "52", False),
        ("\\frac13", "0.333333333333", True),
        ("\\frac13", "0.333", False),
        ("x=1, y=2", "2, 1", False),
        ("x=1, y=2", "(1, 2)", True),
        (r"5\text{ cm}", r"5\text{ m}", False),
        (r"5\text{ cm}", r"50\text{ mm}", True),
        (r"5\text{ cm}", "5", True),
        (r"\textbf{(C)}\ 12", "C", True),
        (r"\textbf{(C)}\ 12", "12", True),
        ("C", "12", False),
        ("m", "M", False),
        ("(a, b)", "(A, B)", False),
        ("2^{2024}-1", "2^{2024}-2", False),
    ],
)
def test_what_is_the_same_for_labels(one: str, other: str, expected: bool) -> None:
    assert mutual(one, other) is mutual(other, one) is expected


@pytest.mark.parametrize(
    "text", ["7" * 20_000, "(" * 50_000, "0." + "3" * 20_000, "{" * 3000 + "}" * 3000, ",".join("12" * 9000)]
)
@pytest.mark.parametrize("gold", ["42", "x+1", "1, 2"])
def test_long_answers_are_decided(gold: str, text: str) -> None:
    with computing_at_most():
        assert same(gold, text) is not True
        assert same(text, text) is True


def test_what_needs_algebra_stays_undecided() -> None:
    assert same(r"\sin^2 x", r"1-\cos^2 x") is None
    assert same(r"\int_0^1 x\,dx", r"\frac{1}{2}") is None


@pytest.mark.parametrize("answer", ["x=7", "7/1", r"\frac{14}{2}", r"7 \text{ dollars}", r"\text{7 eggs}", r"7\$"])
def test_an_integer_may_have_a_unit_a_name_or_a_denominator(answer: str) -> None:
    """Whether it is this integer is decided exactly; how it is written is not what a benchmark asks."""
    assert same_integer("7", answer)
    assert not same_integer("8", answer)
