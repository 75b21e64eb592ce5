"""What can be decided about two answers without computer algebra."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptcot.core.answers.exact import same, same_integer
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
    assert same(answer, answer, strict=True) is True


@given(st.one_of(ANSWERS, ANYTHING), st.one_of(ANSWERS, ANYTHING))
def test_strict_sameness_is_symmetric(one: str, other: str) -> None:
    assert same(one, other, strict=True) == same(other, one, strict=True)


@given(st.lists(st.integers(-3, 3), min_size=3, max_size=3), st.data())
def test_strict_sameness_is_transitive(values: list[int], data: st.DataObject) -> None:
    forms = [
        "{0}",
        "{0}.0",
        "x = {0}",
        "{0}%",
        "{0} cm",
        r"\frac{{{0}}}{{1}}",
        "({0}, 1)",
        "{0}, 1",
        "1, {0}",
        "{0}^\\circ",
    ]
    a, b, c = (data.draw(st.sampled_from(forms)).format(value) for value in values)
    if same(a, b, strict=True) and same(b, c, strict=True):
        assert same(a, c, strict=True) is True


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
    ("one", "other"),
    [
        ("0.1", "10\\%"),
        ("10\\%", "0.1"),
        ("1,22", "1.22"),
        ("52_8", "52"),
        ("\\frac13", "0.333333333333"),
        ("x=1, y=2", "2, 1"),
    ],
)
def test_strict_sameness_has_no_leniency(one: str, other: str) -> None:
    assert same(one, other, strict=True) is False


@pytest.mark.parametrize(
    "text", ["7" * 20_000, "(" * 50_000, "0." + "3" * 20_000, "{" * 3000 + "}" * 3000, ",".join("12" * 9000)]
)
@pytest.mark.parametrize("gold", ["42", "x+1", "1, 2"])
def test_long_answers_are_decided(gold: str, text: str) -> None:
    with computing_at_most():
        assert same(gold, text) is not True
        assert same(text, text) is True


def test_what_needs_algebra_stays_undecided() -> None:
    assert same(r"\sqrt{12}", r"2\sqrt{3}") is None
    assert same("(x+1)^2", "x^2+2x+1") is None


@pytest.mark.parametrize("answer", ["x=7", "7/1", r"\frac{14}{2}", r"7 \text{ dollars}", r"\text{7 eggs}", r"7\$"])
def test_an_integer_may_have_a_unit_a_name_or_a_denominator(answer: str) -> None:
    """Whether it is this integer is decided exactly; how it is written is not what a benchmark asks."""
    assert same_integer("7", answer)
    assert not same_integer("8", answer)
