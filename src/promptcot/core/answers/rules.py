r"""The rules by which `normalise` gives LaTeX one spelling, in the order in which they are applied.

Each rule has a note on its purpose, and the substrings of which it needs one to apply: checking for these makes
normalising fast, because most answers are short and need few of the rules. The other modules of this folder parse the
result.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

Replacement = str | Callable[[re.Match[str]], str]


class Rule(NamedTuple):
    """A pattern and its replacement, the rule's purpose, and substrings of which one must occur for it to apply."""

    note: str
    needs: tuple[str, ...]
    pattern: re.Pattern[str]
    written: Replacement

    def apply(self, text: str) -> str:
        """`text` with this rule applied."""
        for one in self.needs:  # a loop: `any` over a generator takes three times as long
            if one in text:
                return self.pattern.sub(self.written, text)
        return text


def _rule(note: str, needs: str, pattern: str, written: Replacement) -> Rule:
    return Rule(note, tuple(needs.split()) or (" ", "\n", "\t"), re.compile(pattern), written)


_MATRIX = r"(?:p|b|B|V|small)?matrix\*?"
_FUNCTION = (
    "gcd|lcm|arc(?:sin|cos|tan|cot|sec|csc)|(?:sin|cos|tan|cot)h|sech|csch|sin|cos|tan|cot|sec|csc|ln|log|exp|max|min"
)
_TEXT_FONTS = "text|textbf|textrm|textit|textnormal|texttt|textsf|mathrm|mbox|hbox|operatorname"
_CURRENCIES = {r"\$": "dollars", "€": "euros", r"\euro": "euros", "£": "pounds", r"\pounds": "pounds"}
_AMOUNT = r"\d[\d,]*(?:\.\d+)?(?:\s*\\text\s*\{\s*[a-z]+\s*\}|\s+(?:thousand|[mb]illion|trillion)|[kKMB](?![a-zA-Z]))?"
_SHORT_AMOUNTS = {"k": "thousand", "K": "thousand", "M": "million", "B": "billion"}
_STATED = (
    r".*(?:[<>=\d]|\\(?:[lg](?:eq?(?:slant)?|t)|neq?|in|notin)(?![a-z]))"  # p \lor q alone is a formula, not two values
)
_INDEX = r"(?:\{\s*(\w{1,9})\s*\}|(\w))"
_ALL_BUT = (
    r"^\\text\s*\{\s*(?:all|any|every)\s+reals?(?:\s+numbers?)?(?:\s*\}\s*[a-z]\s*\\text\s*\{)?\s*,?\s*"
    r"(?:except|excluding|but|other\s+than)(?:\s+for)?\s*\}?\s*(?:[a-z]\s*=\s*)?((?:[-\d.,\s/]|and|or)+|\\(?:pm|frac)[^a-z]*)\}?$"
)
_NUMERALS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "sixteen": 16,
}  # fmt: skip


def _money(match: re.Match[str]) -> str:
    amount, short = match[2], _SHORT_AMOUNTS.get(match[2][-1])
    return rf"{amount[:-1] if short else amount}\text{{ {short or ''} {_CURRENCIES[match[1]]}}}"


def _base(match: re.Match[str]) -> str:
    return f"_{_NUMERALS[match[1]]} " if match[1] in _NUMERALS else match[0]


def _segment(match: re.Match[str]) -> str:
    return rf"\overline{{{''.join(sorted(match[1]))}}}"


def _combinations(match: re.Match[str]) -> str:
    """C_{10}^{4} as a binomial if both are numbers and the lower is greater; C_1^2 may be a power of a variable."""
    scripts = {match[1]: match[2] or match[3], match[4]: match[5] or match[6]}
    n, k = scripts.get("_", ""), scripts.get("^", "")
    return rf"\binom{{{n}}}{{{k}}}" if n.isdecimal() and k.isdecimal() and int(n) >= int(k) > 0 else match[0]


def _without_some(match: re.Match[str]) -> str:
    points = re.sub(r"\s*(?:,\s*)?(?:and|or)", ",", match[1])
    return rf"\mathbb{{R}} \setminus \{{{points}\}}"


def _period(match: re.Match[str]) -> str:
    digits = re.sub(r"\\dot|[{}\s]", "", match[2])
    return rf"{match[1]}\overline{{{digits}}}"


RULES: list[Rule] = [
    _rule(
        "thousands: 10,\\!080 and 10{,}080",
        r"\! {,} \,",
        r"(\d)\s*(?:,\s*\\!|\\!\s*,|\{,\}|\\,)\s*(?=\d{3}(?!\d))",
        r"\1,",
    ),
    _rule("colons: 7{:}20", r"{:} \text \colon", r"\{:\}|\\text\s*\{\s*:\s*\}|\\colon(?![a-z])", ":"),
    _rule(
        "sizes of brackets",
        r"\left \right \b \B \displaystyle \limits",
        r"\\left(?![a-z])\s*\.?|\\right(?![a-z])\s*\.?|\\(?:[bB]igg?[lrm]?|displaystyle|limits)(?![a-zA-Z])",
        "",
    ),
    _rule("room", "\\ ~", r"(?<!\\)\\(?:!|,|;|:|>|q?quad(?![a-zA-Z])| )|~", " "),
    _rule("powers of programs", "**", r"\*\*", "^"),
    _rule("products of programs", "*", r"\*(?!\s*\{)", r"\\cdot "),
    _rule("fractions of other sizes", "frac", r"\\[dtc]frac(?![a-z])", r"\\frac"),
    _rule("at most", r"\le <=", r"\\(?:leq?|leqq|leqslant)(?![a-z])|<=", r"\\le "),
    _rule("at least", r"\ge >=", r"\\(?:geq?|geqq|geqslant)(?![a-z])|>=", r"\\ge "),
    _rule("not equal", r"\ne \not !=", r"\\neq?(?![a-z])|\\not\s*=|!=", r"\\ne "),
    _rule("not a member", r"\not", r"\\not\s*\\in(?![a-z])", r"\\notin "),
    _rule("less", r"\lt", r"\\lt(?![a-z])", "<"),
    _rule("greater", r"\gt", r"\\gt(?![a-z])", ">"),
    _rule("an opening brace", r"\lbrace", r"\\lbrace(?![a-z])", r"\\{"),
    _rule("a closing brace", r"\rbrace", r"\\rbrace(?![a-z])", r"\\}"),
    _rule("an opening bracket", r"\lbrack", r"\\lbrack(?![a-z])", "["),
    _rule("a closing bracket", r"\rbrack", r"\\rbrack(?![a-z])", "]"),
    _rule("bars", r"\lvert \rvert \vert", r"\\[lr]?vert(?![a-z])", "|"),
    _rule(
        "sets of numbers",
        r"\mathbb \Bbb",
        r"\\(?:mathbb|Bbb|mathbf)\s*\{?\s*([RZQNC])(?![a-zA-Z])\s*\}?",
        r"\\mathbb{\1}",
    ),
    _rule(
        "the empty set",
        r"\emptyset \varnothing \{ {}",
        r"\\(?:emptyset|varnothing)(?![a-z])|\\\{\s*\\\}|^\{\s*\}$",
        r"\\emptyset ",
    ),
    _rule("approximately", r"\cong \simeq \thickapprox", r"\\(?:cong|simeq|thickapprox)(?![a-z])", r"\\approx "),
    _rule("dots", r"dots …  ...", r"\\ldots|\\dots[a-z]?|\\cdots|…|\.\.\.+", r"\\ldots "),
    _rule(
        "degrees", r"\deg \circ", r"\\(?:degree|deg)(?![a-z])|\^\s*\{\s*\\circ\s*\}|\^\s*\\circ(?![a-z])", r"^\\circ "
    ),
    _rule("where a matrix begins", r"matrix", r"\\begin\{" + _MATRIX + r"\}", r"\\begin{pmatrix}"),
    _rule("where a matrix ends", r"matrix", r"\\end\{" + _MATRIX + r"\}", r"\\end{pmatrix}"),
    _rule(
        "an array as a matrix",
        r"{array}",
        r"[\[(]?\s*\\begin\{array\}\s*\{[^{}]*\}(.*?)\\end\{array\}\s*[\])]?",
        r"\\begin{pmatrix}\1\\end{pmatrix}",
    ),
    _rule(
        "arcs",
        r"\over \wide \arc",
        r"\\(?:overset\s*\{\s*\\(?:frown|smallfrown)\s*\}|overparen|wideparen|arc|widehat)\s*\{\s*([A-Z]['A-Z_\d]+)\s*\}",
        r"\\widehat{\1}",
    ),
    _rule(
        "vectors and rays",
        r"\over \vec",
        r"\\(?:overrightarrow|vec|overset\s*\{\s*\\(?:long)?rightarrow\s*\})\s*\{\s*([A-Z]['A-Z_\d]+)\s*\}",
        r"\\overrightarrow{\1}",
    ),
    _rule("the other way", r"\overleft", r"\\overleftarrow\s*\{\s*([A-Z])\s*([A-Z])\s*\}", r"\\overrightarrow{\2\1}"),
    _rule("segments, which have no direction", r"\overline", r"\\overline\s*\{\s*([A-Z]{2})\s*\}", _segment),
    _rule("letters without a dot", "math", r"\\([ij])math(?![a-z])", r"\1"),
    _rule("unit vectors", r"\hat", r"\\hat\s*(?:\{\s*([ijkn])\s*\}|([ijkn])(?![a-z]))", r"\1\2"),
    _rule(
        "fonts of one letter",
        r"\math \bold \bm \over \vec \under",
        r"\\(?:mathbf|boldsymbol|mathit|mathsf|mathnormal|bm|overrightarrow|vec|underline)\s*(?:\{\s*([a-zA-Z])\s*\}|\s([a-zA-Z])(?![a-zA-Z]))",
        r" \1\2 ",
    ),
    _rule(
        "fonts of mathematics",
        r"\math \bold \bm \over \vec \under",
        r"\\(?:mathbf|boldsymbol|mathit|mathsf|mathnormal|bm|overrightarrow|vec|underline)\s*(?=\{(?![A-Z]['A-Z_\d]+\}))",
        "",
    ),
    _rule(
        "functions set as text",
        r"\text \math \op",
        rf"\\(?:text|textrm|mathrm|operatorname)\*?\s*\{{\s*({_FUNCTION})\s*\}}"
        r"(?=\s*[({\\\[]|(?<!min\})(?<!max\})(?:\s*$|\s+[a-z\d]))",
        r"\\\1 ",
    ),
    _rule("the decimal logarithm", r"\lg", r"\\lg(?![a-z])", r"\\log_{10} "),
    _rule("fonts of text", r"\text \math \mbox \hbox \op", rf"\\(?:{_TEXT_FONTS})\*?(?![a-z])", r"\\text"),
    _rule("degrees of temperature", r"\circ", r"\\circ\s*\\text\s*\{\s*([CF])\s*\}", r"\\circ \1"),
    _rule("numbers as text", r"\text", r"\\text\s*\{\s*(-?\d[\d.,]*|\d[\dA-F]*(?=\s*\}\s*_))\s*\}", r"\1"),
    _rule("squares in words", "squared", r"(\d)\s*\\text\s*\{\s*squared\s*\}$", r"\1^2"),
    _rule("cubes in words", "cubed", r"(\d)\s*\\text\s*\{\s*cubed\s*\}$", r"\1^3"),
    _rule("factorials in words", "factorial", r"(\d)\s*\\text\s*\{\s*factorial\s*\}$", r"\1!"),
    _rule("a power within a unit", r"\text", r"(\\text\s*\{[^{}]*\^)\{(-?\d)\}", r"\1\2"),
    _rule(
        "a unit as a fraction",
        r"\text",
        r"\\frac\s*\{\s*(\\text\s*\{[^{}]*\}(?:\s*\^\s*\d)?)\s*\}\s*\{\s*(\\text\s*\{[^{}]*\}(?:\s*\^\s*\d)?)\s*\}",
        r"\1/\2",
    ),
    _rule("and of logic", r"\land \wedge", rf"\\(?:land|wedge)(?![a-z])(?={_STATED})", " and "),
    _rule("or of logic", r"\lor \vee", rf"\\(?:lor|vee)(?![a-z])(?={_STATED})", " or "),
    _rule("and between propositions", r"\wedge", r"\\wedge(?![a-z])", r"\\land"),
    _rule("or between propositions", r"\vee", r"\\vee(?![a-z])", r"\\lor"),
    _rule("and, or behind a unit", r"\text", r"(\\text\s*\{[^{}]*?\w)\s*,?\s+(and|or)\s*\}(?=\s*[-\d\\(])", r"\1} \2 "),
    _rule("and, or", r"\text", r"\\text\s*\{\s*,?\s*(and|or)\s*,?\s*\}", r" \1 "),
    _rule("and, or in other languages", r"\text", r"\\text\s*\{\s*(?:et|und|и|和|与|及)\s*\}", " and "),
    _rule("or in other languages", r"\text", r"\\text\s*\{\s*(?:ou|oder|или|或|或者)\s*\}", " or "),
    _rule("and between numbers", "et und", r"(?<=[\d)}\]$])\s+(?:et|und)\s+(?=[\d({\[\\$-])", " and "),
    _rule("or between numbers", "ou oder", r"(?<=[\d)}\]$])\s+(?:ou|oder)\s+(?=[\d({\[\\$-])", " or "),
    _rule("ratios in words", "to", r"(?<=\d)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(?=\d)", ":"),
    _rule("a comma as text", r"\text", r"\\text\s*\{\s*,\s*\}", " , "),
    _rule("upright constants", r"\text{e} \text{i}", r"\\text\{([ei])\}", r"\1"),
    _rule("the word infinity", r"\text", r"\\text\{\s*[iI]nfinity\s*\}", r"\\infty"),
    _rule("upright variables", r"\text", r"(?<![\d}\s/])\\text\{([a-zA-Z])\}(?=\s|$|[-+)=^}_,])", r"\1"),
    _rule("vectors in angles", r"\langle", r"\\langle\s*((?:[^\\,]|\\(?!rangle))*,.*?)\\rangle(?![a-z])", r"(\1)"),
    _rule("binomials of other sizes", "binom", r"\\(?:tbinom|dbinom)(?![a-z])", r"\\binom"),
    _rule(
        "combinations before and behind",
        "C",
        rf"(?:\{{\s*\}})?[\^_]\s*{_INDEX}\s*(?:\\text\s*\{{C\}}|C)\s*_\s*{_INDEX}(?!\w)",
        lambda found: rf"\binom{{{found[1] or found[2]}}}{{{found[3] or found[4]}}}",
    ),
    _rule(
        "combinations below and above",
        "C_ C^ {C}_ {C}^",
        rf"(?<![a-zA-Z\\])(?:\\text\s*\{{C\}}|C)\s*([_^])\s*{_INDEX}\s*([_^])\s*{_INDEX}(?!\w)",
        _combinations,
    ),
    _rule("the largest of a set", r"\max \min \gcd \lcm", r"\\(max|min|gcd|lcm)\s*\\\{([^{}]*)\\\}", r"\\\1(\2)"),
    _rule("infinity", r"\infinity", r"\\infinity", r"\\infty"),
    _rule("infinity with a plus", r"\infty", r"\+\s*\\infty", r"\\infty"),
    _rule("a currency behind an amount", "€ £ \\euro", rf"({_AMOUNT})\s*(?:€|\\euro(?![a-z]))", r"\1\\text{ euros}"),
    _rule("dollars as an abbreviation", "USD", r"\\text\s*\{\s*USD\s*\}\s*(?=\d)|\bUSD\s*(?=\d)", r"\\$"),
    _rule(
        "a currency before an amount",
        "\\$ € £ \\euro \\pounds",
        rf"(?:US(?=\\\$))?(\\\$|€|£|\\euro(?![a-z])|\\pounds(?![a-z]))\s*({_AMOUNT})(?![\d/])",
        _money,
    ),
    _rule("other marks of money", "\\$ € £ \\euro", r"\\\$|\\euro|€|£", ""),
    _rule("percent", "%", r"\\\\?(?=%)", ""),
    _rule("bases in words", r"_{\text", r"_\s*\{\s*\\text\s*\{\s*([a-z]+)\s*\}\s*\}", _base),
    _rule("bases in parentheses", "_{(", r"_\s*\{\s*\(\s*(\d{1,2})\s*\)\s*\}", r"_{\1}"),
    _rule(
        "residues",
        "mod",
        r"\\pmod\s*\{?\s*(\w+)\s*\}?|\(\s*(?:\\b?mod(?![a-z])|\\text\s*\{\s*mod\s*\}|mod\b)\s*(\w+)\s*\)"
        r"|(?:\\b?mod(?![a-z])|\\text\s*\{\s*mod\s*\})\s*\{?\s*(\w+)\s*\}?|\\text\s*\{\s*\(\s*mod\s*\}\s*(\w+)\s*\)",
        lambda found: rf" \pmod{{{found[1] or found[2] or found[3] or found[4]}}}",
    ),
    _rule(
        "repeating digits in words",
        "recurring repeating",
        r"(\d*\.)(\d)\s*(?:\\text\s*\{\s*)?(?:recurring|repeating)\s*\}?$",
        r"\1\\overline{\2}",
    ),
    _rule("repeating digits in parentheses", "(", r"^(-?\d*\.\d*)\((\d+)\)$", r"\1\\overline{\2}"),
    _rule(
        "repeating digits under dots",
        r"\dot",
        r"(\d*\.\d*?)((?:\\dot\s*\{?\s*\d\s*\}?)(?:\d*\\dot\s*\{?\s*\d\s*\}?)?)",
        _period,
    ),
    _rule("all reals but some", "all any every", _ALL_BUT, _without_some),
    _rule("only behind", "only", r"\s*\\text\s*\{\s*only\s*\}$", ""),
    _rule("only in a text", "only", r"(\\text\s*\{[^{}]*\S)\s+only\s*\}$", r"\1}"),
    _rule("only before", "only", r"^\\text\s*\{\s*only\s*\}\s*(?=[-\d\\({a-zA-Z])", ""),
    _rule("braces around one character", "{", r"([_^])\s*\{\s*(\w)\s*\}", r"\1\2"),
    _rule("blanks", "", r"\s+", " "),
]
