"""Respelled texts have the same tokens, and texts with another meaning have others."""

from __future__ import annotations

import pytest

from promptcot.core.overlap.tokens import JOINT, MASK, is_number, masked, tokens, words

SAME = [
    (r"$\dfrac{1}{2}$", r"\(\frac12\)"),
    (r"\frac{1}{2}", "½"),
    (r"\tfrac{x}{y+1}", r"{x \over y+1}"),
    (r"\frac1{2}", r"\frac{1}2"),
    (r"\frac\pi2", r"\frac{\pi}{2}"),
    (r"\cfrac{a}{b}", "a/b"),
    (r"\left( x + 1 \right)", "(x+1)"),
    (r"\bigl[0, 1\bigr)", "[0,1)"),
    (r"\[ x^2 = 4 \]", "$$x^{2}=4$$"),
    ("x² + y₁ = x¹⁰", "x^2 + y_1 = x^{10}"),
    (r"x\,y\;z\quad w~v\ u", "x y z w v u"),
    (r"\text{if } x \leq 3", "if $x ≤ 3$"),
    (r"x \geqslant 3 \ne 4", r"x >= 3 \neq 4"),
    (r"3 \times 4 \cdot x", "3 * 4 x"),
    (r"\sqrt2", "√2"),
    (r"\sqrt{2}", r"\sqrt 2"),
    (r"90^\circ", "90°"),
    (r"90^{\circ}", "90 degrees"),
    (r"f^{\prime}(x)", "f'(x)"),
    (r"\varepsilon < \epsilon", "ε < ε"),
    (r"\triangle ABC", "△ABC"),
    (r"x \in \mathbb{R}", "x ∈ ℝ"),
    (r"\{1, 2, \ldots, n\}", r"\lbrace 1,2,\dots,n \rbrace"),
    ("1, 2, ..., n", r"1, 2, \cdots, n"),
    (r"\begin{align*} x &= 1 \\ y &= 2 \end{align*}", "x = 1, y = 2"),
    (r"\displaystyle\sum\limits_{i=1}^{n} i", r"\sum_{i=1}^n i"),
    ("The “answer” isn’t 5 – 3", 'the "answer" isn\'t 5 - 3'),
    ("5 − 3", "5-3"),
    ("ｘ＝１２", "x=12"),
    ("a\u200bb\ufeffc", "abc"),
    ("cafe\u0301", "café"),
    ("1,000,000 people", "1000000 people"),
    ("1{,}000", r"1\,000"),
    (r"1,\!000", "1000"),
    ("a well-known two-digit number", "a well known two digit number"),
    ("$6$-sided die", "6-sided die"),
    ("twenty-five apples and three pears", "25 apples and 3 pears"),
    (r"\$5 and 20\%", "$5 and 20 percent"),
    ("x &lt; 3 &amp; more", "x < 3 more"),
    ("**Find** the *sum*.", "Find the sum"),
    ("Given: x; find y.", "Given x. Find y?"),
    (r"\operatorname{lcm}(a, b)", "lcm(a,b)"),
    (r"\textbf{(A)}\ 5 \qquad \textbf{(B)}\ 6", "(A) 5 (B) 6"),
    ("(100,200)", "(100, 200)"),
    ("求 12 的因数。", "求12的因数"),
    ("٣ + ٤", "3 + 4"),
    (r"a \mid b", "a | b"),
    (r"\overline{AB}", r"\bar{AB}"),
    (r"\binom{n}{k}", r"\dbinom{n}{k}"),
    (r"2^{x+1} - \sqrt{x - 1}", "2^(x+1) - sqrt(x-1)"),
    (r"\dfrac{x^{2}+1}{2}", r"\frac{x^2+1}2"),
    (r"\frac{3}{20} + \sqrt{242}", "(3)/(20) + sqrt(242)"),
    (r"x^{-1} + e^{x}", "x^(-1) + e^(x)"),
    ("x^2 + a_{1}", "<p>x<sup>2</sup> + a<sub>1</sub></p>"),
    ("x^2 y", "x**2 y"),
    ("Simplify the quotient", "Sim-\nplify the quo-\n  tient"),
    (r"\mathop{\mathrm{log}}_{2} 64", r"\log_264"),
]

DIFFERENT = [
    ("x + 1", "x - 1"),
    (r"2^{x+1} = 9", r"2^x+1 = 9"),
    (r"2^{3x} = 9", r"2^3x = 9"),
    (r"\frac{x+1}{2}", r"x+\frac{1}{2}"),
    (r"\frac{x^{2}+1}{2}", r"x^2+\frac{1}{2}"),
    (r"\frac{1}{x+\frac{1}{x-1}}", r"\frac1x+\frac{1}{x-1}"),
    (r"\sqrt{x+1}", r"\sqrt x+1"),
    ("a_{n+1}", "a_n+1"),
    ("a<b and c>d", "a>b and c<d"),
    ("f'(x)", "f(x)"),
    ("x^2", "x2"),
    ("5!", "5"),
    ("x < 3", "x > 3"),
    ("3.5", "35"),
    (r"\sin x", r"\cos x"),
    ("求最大值", "求最小值"),
    ("[0, 1]", "(0, 1)"),
    ("(100,200)", "(100200)"),
    ("найдите сумму", "найдите разность"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_respelled_text_has_the_same_tokens(one: str, other: str) -> None:
    assert tokens(one) == tokens(other) != []


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_another_text_has_other_tokens(one: str, other: str) -> None:
    assert tokens(one) != tokens(other)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" \n\t$$ {} ", []),
        (r"\[\]", []),
        ("What is 3.5 + .5?", ["what", "is", "3.5", "+", ".5"]),
        ("$x_1^{10}$", ["x", "1", "^", "10"]),
        ("求12的因数", ["求", "12", "的", "因", "数"]),
        ("こんにちは", ["こ", "ん", "に", "ち", "は"]),
        ("सरल", ["सरल"]),
        ("12 ли", ["12", "ли"]),
        ("\ud800 x", ["\ud800", "x"]),
        ("\\", []),
    ],
)
def test_tokens_are_words_numbers_and_signs(text: str, found: list[str]) -> None:
    assert tokens(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("Let $x, y$ be \n two.", ["let", "x", "y", "be", "2"]),
        ("Find $x^2+1$ .", ["find", "x|^|2|+|1"]),
        (r"\frac{1}{2} \, \left( x \right)", ["1|/|2", "(", "x", ")"]),
        ("求12的因数 吗", ["求|12|的|因|数", "吗"]),
        ("a\x1fb", ["a", "b"]),
    ],
)
def test_words_are_the_tokens_that_no_space_parts(text: str, found: list[str]) -> None:
    assert words(text) == [word.replace("|", JOINT) for word in found]
    assert [token for word in words(text) for token in word.split(JOINT)] == tokens(text)


def test_each_number_is_one_token_and_can_be_masked() -> None:
    found = tokens(r"In 1,234 days, 3.5 or \frac{1}{2}, twenty-one, x2")
    assert [token for token in found if is_number(token)] == ["1234", "3.5", "1", "2", "21", "2"]
    assert masked(found).count(MASK) == 6
    assert not is_number("")
    assert not is_number("x")


def test_masked_problems_differ_in_numbers_only() -> None:
    assert masked(tokens("Find 3 + 45.")) == masked(tokens("find $1{,}000+7$"))


def test_a_text_of_100_000_characters_is_read_in_linear_time() -> None:
    brackets = (r"\frac{", "{", "1,", "x^", "}", "\\", "a-", r"\begin{", "½", "²", "&lt;", "^{", "^{x+")
    others = ("</p><sup>", "</a ", r"{\over", "^{a}{", "(x", "aa-\n ", "x**")
    for unit in (*brackets, *others):
        assert isinstance(tokens(unit * (100_000 // len(unit))), list)
