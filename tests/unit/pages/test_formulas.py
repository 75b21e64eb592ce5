from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from promptcot.pages.formulas import Formulas

CASES = json.loads((Path(__file__).parents[2] / "cases" / "formulas.json").read_text(encoding="utf-8"))
ALLOWED = {
    *("math", "semantics", "annotation", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot"),
    *("msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "mphantom"),
    *("mpadded", "span", "code", "details", "summary", "pre"),
}
ATTRIBUTES = {
    *("display", "encoding", "class", "tabindex", "displaystyle", "scriptlevel", "stretchy", "fence", "separator"),
    *("accent", "movablelimits", "largeop", "width", "height", "depth", "lspace", "rspace", "voffset", "minsize"),
    *("maxsize", "linethickness", "form", "mathvariant"),
}


class Seen(HTMLParser):
    """The elements and attributes of a piece of HTML, and whether each that is opened is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(html: str) -> None:
    seen = Seen(html)
    assert seen.tags <= ALLOWED
    assert seen.attributes <= ATTRIBUTES
    assert seen.open == []


@pytest.mark.parametrize("case", CASES, ids=[case["about"] for case in CASES])
def test_formulas_are_shown_as_meant_and_nothing_planted_is_markup(case: dict[str, Any]) -> None:
    formulas = Formulas()
    html = str(formulas.html(case["text"]))
    shown = re.sub(r"<annotation[^>]*>[^<]*</annotation>", "", html)
    check(html)
    assert (formulas.shown, formulas.as_source) == (case["shown"], case["as_source"])
    assert [part for part in case["has"] if part not in html] == []
    assert [part for part in case["has_not"] if part in shown] == []


HOSTILE = {
    "a hundred thousand characters": "$" + "x+" * 50_000 + "$",
    "ten thousand braces": "$" + "{" * 10_000 + "}" * 10_000 + "$",
    "ten thousand braces in brackets": "\\(" + "{" * 4_000 + "}" * 4_000 + "\\)",
    "roots within roots": "$" + "\\sqrt" * 900 + "x$",
    "brackets within brackets": "$" + "\\left(" * 700 + "\\right)" * 300 + "$",
    "exponents of exponents": "$" + "x^" * 2_000 + "x$",
    "primes": "$x" + "'" * 4_000 + "$",
    "environments within environments": "$" + "\\begin{matrix}" * 150 + "\\end{matrix}" * 150 + "$",
    "fractions of fractions": "$" + "a\\over " * 500 + "$",
    "dollars": "$" * 50_000,
    "dollars before braces": "${" * 50_000,
    "a megabyte of brackets that open": "\\(" * 500_000,
    "brackets that open": "\\(" * 20_000,
    "environments that open": "\\begin{align}" * 5_000,
    "drawings that open": "[asy]" * 10_000,
    "backslashes": "\\" * 50_000,
    "text within text": "$" + "\\text{" * 700 + "}" * 700 + "$",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_formulas_that_are_huge_or_deep_are_shown_as_source(text: str) -> None:
    formulas = Formulas()
    html = str(formulas.html(text))
    check(html)
    assert len(html) < 20 * len(text)


def test_what_every_formula_says_is_kept_as_its_source() -> None:
    html = Formulas().html("$\\frac{a}{b} < 1$")
    assert '<annotation encoding="application/x-tex">\\frac{a}{b} &lt; 1</annotation>' in html


def test_a_long_formula_can_be_scrolled_with_the_keyboard() -> None:
    assert 'class="wide" tabindex="0"' in Formulas().html("$" + "x + " * 30 + "x$")
    assert "tabindex" not in Formulas().html("$x$")
