r"""Other ways to write an answer, and answers that are nearly right, which `answers.py` grades against golds.
`respelled` changes how a gold is written and never its meaning; `perturbed` changes its meaning as little as possible.
Both work on the letters of a gold and share no code with what is measured.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from fractions import Fraction

_FRACTION = re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}")
_WHOLE = re.compile(r"-?\d+")
_NUMBER = re.compile(r"(?<![\d.])(?:\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?)")
_VARIABLE = re.compile(r"(?<![a-zA-Z\\{])(?<!\\text\{)([a-df-hj-zA-Z])(?![a-zA-Z])")
_SIGNS = {r"\pi": "π", r"\infty": "∞", r"\cup": "∪", r"\cap": "∩", r"\le ": "≤ ", r"\pm": "±", r"\theta": "θ"}
_UNTOUCHED = re.compile(r"text|mbox|matrix|array|cases")
_WIDE = str.maketrans("0123456789+-", "０１２３４５６７８９＋－")


def respelled(gold: str) -> Iterator[tuple[str, str]]:
    """(how it is written, the answer written like this): a dozen ways and more, each different from the gold."""
    seen = {gold}
    for name, text in _spellings(gold.strip()):
        if text not in seen:
            seen.add(text)
            yield name, text


def _spellings(gold: str) -> Iterator[tuple[str, str]]:
    yield from _wrapped(gold)
    yield from _in_other_latex(gold)
    if not _UNTOUCHED.search(gold):
        yield from _in_plain_text(gold)
        yield from _in_unicode(gold)
    if _WHOLE.fullmatch(gold):
        yield from _of_integers(int(gold))


def _wrapped(gold: str) -> Iterator[tuple[str, str]]:
    bare = gold.strip("$")
    for name, form in (
        ("dollars", "${}$"), ("display", r"\[{}\]"), ("inline", r"\({}\)"), ("a box", r"\boxed{{{}}}"),
        ("braces", "{{{}}}"), ("room", r"\,{}\;"), ("a dot", "{}."), ("display style", r"\displaystyle {}"),
        ("colour", r"\color{{blue}}{{{}}}"), ("colours", r"{{\color{{red}} {}}}"), ("large", r"{{\large {}}}"),
        ("bold", r"\mathbf{{{}}}"), ("old bold", r"{{\bf {}}}"), ("no width", "\u200b{}\u200b"), ("blanks", "  {}  "),
        ("a lead", r"\text{{The answer is }}{}"),
    ):  # fmt: skip
        fragile = name == "bold" and (_UNTOUCHED.search(gold) or re.search(r"[a-zA-Z\\=,]", gold))
        if not fragile and not (name == "a lead" and "text" in gold):
            yield name, form.format(bare)


def _in_other_latex(gold: str) -> Iterator[tuple[str, str]]:
    for name, old, new in (
        ("display fractions", r"\\[dt]?frac", r"\\dfrac"), ("text fractions", r"\\[dt]?frac", r"\\tfrac"),
        ("plain fractions", r"\\[dt]frac", r"\\frac"), ("roman text", r"\\text(?=\{)", r"\\mathrm"),
        ("boxes of text", r"\\text(?=\{)", r"\\mbox"), ("square brackets", "pmatrix", "bmatrix"),
        ("degrees", r"\^\s*\{?\\circ\s*\}?", "°"), ("room behind commas", r",\s*(?=[^\d\s\\])", r",\\, "),
        ("at most", r"\\leq?(?![a-z])", r"\\leqslant "), ("at least", r"\\geq?(?![a-z])", r"\\geqslant "),
        ("open brackets of any size", r"(?<!\\left)(?<![a-zA-Z{\\])\((?=[^()]*\)$)", r"\\left("),
        ("root in braces", r"\\sqrt(\d)", r"\\sqrt{\1}"), ("root without braces", r"\\sqrt\{(\d)\}", r"\\sqrt\1"),
        ("room around signs", r"(?<=[\w})])([+=-])(?=[\w\\({])", r" \1 "),
    ):  # fmt: skip
        text = re.sub(old, new, gold)
        if name.startswith("open") and text != gold:
            text = text[:-1] + r"\right)"
        yield name, text
    if (found := _FRACTION.fullmatch(gold)) and all(len(part) == 1 for part in found.groups()):
        yield "fraction without braces", rf"\frac{found[1]}{found[2]}"


def _in_plain_text(gold: str) -> Iterator[tuple[str, str]]:
    text = gold
    while (changed := _FRACTION.sub(r"((\1)/(\2))", text)) != text:
        text = changed
    text = re.sub(r"\\sqrt\{([^{}]*)\}", r"sqrt(\1)", re.sub(r"\\sqrt(\d)", r"sqrt(\1)", text))
    text = re.sub(r"\\(pi|infty|cos|sin|tan|ln)(?![a-z])", lambda word: {"infty": "oo"}.get(word[1], word[1]), text)
    if "\\" not in text and "{" not in text and not re.search(r"[a-z]{2,}\s*[a-z0-9]|\)\s*[a-z]|\d\s*[a-z]{2}", text):
        yield "plain text", text.replace("^", "**")


def _in_unicode(gold: str) -> Iterator[tuple[str, str]]:
    text = gold
    for command, sign in _SIGNS.items():
        text = re.sub(re.escape(command.strip()) + r"(?![a-z])\s?", sign, text)
    yield "signs of Unicode", re.sub(r"\\sqrt\{(\d+)\}", r"√\1", text).replace("-", "−")
    if "\\" not in gold:
        yield "full width", gold.translate(_WIDE)


def _of_integers(number: int) -> Iterator[tuple[str, str]]:
    yield "as a decimal", f"{number}.0"
    yield "with zeros", f"{'-' if number < 0 else ''}0{abs(number)}"
    yield "as a fraction", rf"\frac{{{3 * number}}}{{3}}"
    yield "as a product", rf"{number} \times 1"
    yield "as a sum", rf"{number - 7} + 7"
    yield "with a name", f"x = {number}"
    yield "at the end of a chain", rf"N = {number - 1} + 1 = {number}"
    yield "with a power of ten", rf"{number} \cdot 10^0"
    if abs(number) >= 1000:
        yield "with commas", f"{number:,}"
        yield "with room for commas", f"{number:,}".replace(",", r",\!")
        yield "with commas in braces", f"{number:,}".replace(",", "{,}")


def rational(text: str) -> Fraction | None:
    """An independent and narrow reading, for telling which pairs are equal anyway."""
    text = re.sub(r"\\[!,]|[,$\\]|\^?\\?\{?\\?circ\}?|\s", "", text.replace("\\circ", "").replace("^", ""))
    found = re.fullmatch(r"(-?)[dt]?frac\{?(-?\d+?)\}?\{?(\d+)\}?", text)
    try:
        return Fraction(f"{found[1]}{found[2]}/{found[3]}") if found else Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def equal_anyway(one: str, other: str) -> bool:
    """Whether the answers of two problems happen to be the same, as far as that can be seen without the product."""
    one, other = (re.sub(r"^[a-z]\s*=", "", text) for text in (one, other))
    plain = [re.sub(r"\\left|\\right|\\!|\s|[{}$]", "", text).replace("dfrac", "frac") for text in (one, other)]
    values = rational(one), rational(other)
    sets = [sorted(text.split(",")) if re.fullmatch(r"[-\d,]+", text) else None for text in plain]
    return plain[0] == plain[1] or (values[0] is not None and values[0] == values[1]) or (sets[0] or 0) == sets[1]


def perturbed(gold: str, draws: random.Random) -> Iterator[tuple[str, str]]:
    """(what was done, a wrong answer): times and over 100, one more, the sign, a digit, a letter's case, i dropped."""
    value = rational(gold)
    if value is not None:
        yield from _of_a_number(value)
    elif re.search(r"\d", gold) and not re.search(
        r"[,=_<>:]|text|mbox|matrix|circ|\\(?:in|[lg]e)q?\b|pm|cup|[\[{(]\s*$", gold
    ):
        yield "×100", f"100({gold})"
        yield "÷100", f"\\frac{{{gold}}}{{100}}"
        yield "+1", f"{gold}+1"
        yield "sign", f"-({gold})"
    if value is None and (numbers := [one for one in _NUMBER.finditer(gold) if one[0].isdigit()]):
        number = numbers[draws.randrange(len(numbers))]
        yield "a number + 1", f"{gold[: number.start()]}{int(number[0]) + 1}{gold[number.end() :]}"
    if not re.search(r"text|mbox|^[A-Z]$|^\w\(", gold) and (letters := list(_VARIABLE.finditer(gold))):
        letter = letters[draws.randrange(len(letters))][1]
        yield "case of a variable", re.sub(rf"(?<![a-zA-Z\\]){letter}(?![a-zA-Z])", letter.swapcase(), gold)
    if re.search(r"(?<![a-zA-Z\\])i(?![a-zA-Z])", gold) and "text" not in gold:
        yield (
            "i dropped",
            re.sub(r"(?<=[\d})+-])\s*i(?![a-zA-Z])", lambda found: "1" if found.start() == 0 else "", gold),
        )


def _of_a_number(value: Fraction) -> Iterator[tuple[str, str]]:
    for name, wrong in (("×100", value * 100), ("÷100", value / 100), ("+1", value + 1), ("sign", -value)):
        if wrong != value:
            yield name, str(wrong)
            if 10**9 % wrong.denominator == 0:
                yield name, f"{float(wrong):.9f}".rstrip("0").rstrip(".")
    if value.denominator == 1 and abs(value) > 9:
        yield "a digit", str(value + 10)
        yield "two digits", str(int(value))[::-1] if str(value) != str(value)[::-1] else str(value + 11)
    yield "a large number", f"{value}+2^{{200}}"


def exact_neighbours() -> Iterator[tuple[str, str]]:
    """Numbers that differ in one of many digits."""
    for gold in ("2^{2024}-1", "100!", "3^{500}+7", r"\binom{200}{77}", "10^{60}+1", "7^{301}", r"\frac{10^{40}}{3}"):
        for change in ("+1", "-1", "+10^{-20}", "+2"):
            yield gold, gold + change
