"""When two problems are copies: a table of pairs, and properties of all pairs."""

from __future__ import annotations

import pytest

from promptcot.core.overlap.near import Alike, Text, alike

FARMER = (
    "A farmer has 12 cows and 7 goats. He sells a third of the cows at the market in town. "
    "Then his neighbour gives him 5 sheep. How many animals does the farmer have now?"
)
TRIANGLE = (
    r"Let $ABC$ be a triangle with $AB = 13$, $BC = 14$ and $CA = 15$. Let $D$ be the foot of the altitude from $A$. "
    r"Compute the area of triangle $ABD$ as a fraction $\frac{m}{n}$."
)

COPIES: list[tuple[str, str, str, str]] = [
    ("itself", FARMER, FARMER, "exact"),
    ("respelled", TRIANGLE, TRIANGLE.replace("$", "").replace(r"\frac", r"\dfrac"), "exact"),
    ("words changed", FARMER, FARMER.replace("sells", "trades").replace("gives", "brings").replace("town", "it"),
     "edit"),
    ("a number and words", FARMER, FARMER.replace("5", "6").replace("market", "fair").replace("Then", "Soon")
     .replace("now", "today"), "edit"),
    ("names changed throughout", "Ada is 3 years older than Bela, and Bela is twice as old as Chen. If Chen is 4 years "
     "old, how many years older than Chen is Ada?", "Tom is 3 years older than Uma, and Uma is twice as old as Vera. "
     "If Vera is 4 years old, how many years older than Vera is Tom?", "edit"),
    ("variables renamed", r"Solve $x^2 + 3x - 4 = 0$ for $x > 0$, and give $x^3$.",
     r"Solve $t^2 + 3t - 4 = 0$ for $t > 0$, and give $t^3$.", "edit"),
    ("numbers as words", FARMER, FARMER.replace("12", "twelve").replace("7", "seven"), "exact"),
    ("with a heading", FARMER, f"Problem 12. {FARMER}", "edit"),
    ("sentences reordered", FARMER, "Then his neighbour gives him 5 sheep. He sells a third of the cows at the market "
     "in town. How many animals does the farmer have now? A farmer has 12 cows and 7 goats.", "shingles"),
    ("embedded", FARMER, f"{TRIANGLE}\n\n{FARMER}", "containment"),
    ("with an instruction", "Find the sum of all primes below one hundred.", "Find the sum of all primes below one "
     "hundred. Express your answer as an integer, and put it in a box.", "containment"),
    ("another script", "一个农夫有12头牛和7只羊，他卖掉了三分之一的牛。现在他有多少动物？",
     "一个农夫有12头牛和7只羊，他卖掉了三分之一的牛。现在他一共有多少动物？", "edit"),
    ("formulas only", r"$\int_0^1 x^2 \, dx + \sum_{k=1}^{10} k$", r"\[\int_{0}^{1} x^{2} dx+\sum_{k=1}^{10}k\]",
     "exact"),
]  # fmt: skip
DIFFERENT: list[tuple[str, str, str, str | None]] = [
    ("numbers only", FARMER, FARMER.replace("12", "15").replace("7", "9"), "numbers"),
    ("one number", FARMER, FARMER.replace("12", "15"), "numbers"),
    ("numbers swapped", FARMER, FARMER.replace("12", "x").replace("7", "12").replace("x", "7"), "numbers"),
    ("numbers and a name", FARMER, FARMER.replace("12", "15").replace("7", "9").replace("cows", "horses"), "edit"),
    ("one number and a word", FARMER, FARMER.replace("12", "15").replace("town", "Bonn"), "edit"),
    ("one number of one", "What is the sum of the positive divisors of 28?",
     "Find the sum of the positive divisors of 36.", "edit"),
    ("one number and a name throughout", "Ada has 12 pens and a box. Ada gives a third of the pens to Bela. How many "
     "has Ada now?", "Tom has 15 pens and a box. Tom gives a third of the pens to Bela. How many has Tom now?", "edit"),
    ("one number beside a variable that is renamed", "Solve $y^2 - 99y + 8 = 0$ for $y$.",
     "Solve $n^2 - 49n + 8 = 0$ for $n$.", "edit"),
    ("another question", "Find the least value of $x^4 + 4y^2$ when $xy = 2$.", "Let $a + b = 1$. Compute $ab$.", None),
    ("a shared sentence", f"{FARMER.split('.')[0]}. How many legs do they have?", FARMER, None),
    ("short ones", "Evaluate 5!", "Evaluate 6!", "numbers"),
]  # fmt: skip


def both(one: str, other: str, mask_numbers: bool = False) -> Alike | None:
    first, second = Text.of(one, mask_numbers), Text.of(other, mask_numbers)
    found = alike(first, second)
    assert found == alike(second, first)
    return found


@pytest.mark.parametrize(("one", "other", "rule"), [row[1:] for row in COPIES], ids=[row[0] for row in COPIES])
def test_a_copy_is_found_whichever_comes_first(one: str, other: str, rule: str) -> None:
    found = both(one, other)
    assert found is not None
    assert (found.is_copy, found.rule) == (True, rule)


@pytest.mark.parametrize(("one", "other", "rule"), [row[1:] for row in DIFFERENT], ids=[row[0] for row in DIFFERENT])
def test_different_problems_are_no_copies(one: str, other: str, rule: str | None) -> None:
    found = both(one, other)
    assert found is None or not found.is_copy
    assert (found and found.rule) == rule


def test_without_their_numbers_problems_that_differ_in_them_are_copies() -> None:
    found = both(FARMER, FARMER.replace("12", "15"), mask_numbers=True)
    assert found == Alike("numbers", 1.0)
    assert both(FARMER, FARMER, mask_numbers=True) == Alike("exact", 1.0)


def test_another_similarity_may_be_asked_for() -> None:
    one, other = Text.of(FARMER), Text.of(FARMER.replace("sells", "trades"))
    assert alike(one, other, 0.99) is None
    assert alike(one, other, 0.9) is not None


@pytest.mark.parametrize("text", ["", "$$", "?!", "x", "\ud800", "1"])
def test_very_short_texts_are_compared(text: str) -> None:
    assert both(text, text) == Alike("exact", 1.0)
    assert both(text, FARMER) is None


def test_long_texts_are_compared_in_a_moment() -> None:
    long = " ".join(f"word{place} and {place}" for place in range(6000))
    found = both(long, long.replace("word77 ", "another "))
    assert found is not None
    assert found.is_copy


def test_a_text_is_made_again_from_its_line() -> None:
    text = Text.of(TRIANGLE)
    assert Text(text.line).words == text.words
    assert Text(text.line).tokens == text.tokens
