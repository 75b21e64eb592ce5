r"""Tokens of a problem that do not depend on its spelling.

Decides which spellings are the same: LaTeX commands and Unicode characters of a sign, delimiters, braces, spacing,
fonts, case, punctuation of sentences, numbers as words. Other modules compare tokens. One pass of a regular expression
does nearly all of the work, because a set may have a million problems.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Sequence
from html import unescape

from promptcot.core.answers.characters import in_latex

JOINT = "\x1f"
"""The separator of the tokens of a word in `words`: white space, so that no token contains it."""

MASK = "#"
"""The token that replaces numbers in `masked`."""

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_UNITS = f"{_UNITS} seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ONES = _UNITS.split()[1:10]

_SAYS_NOTHING = """
left right middle big bigl bigr bigm bigg biggl biggr biggm
quad qquad thinspace enspace enskip space nobreak nobreakspace allowbreak newline linebreak par noindent indent
hfill vfill hspace vspace hskip vskip kern smallskip medskip bigskip
displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits strut mathstrut
tiny scriptsize footnotesize small normalsize large huge rm bf it sf tt sl cal em bfseries itshape
text textbf textit textrm textsf texttt textnormal textup textsc emph underline mbox hbox fbox boxed ensuremath
mathop mathrm mathbf mathit mathsf mathtt mathbb mathcal mathfrak mathscr mathnormal boldsymbol bm pmb operatorname
frac dfrac tfrac cfrac nicefrac sfrac
cdot times ast bullet colon item centering displaylines hline label nonumber notag lbrace rbrace
"""
_SAME = {
    "le": "leq leqslant leqq <= =<", "ge": "geq geqslant geqq >=", "ne": "neq !=", "<": "lt", ">": "gt",
    "/": "over div slash", "|": r"\| mid vert lvert rvert Vert lVert rVert arrowvert",
    "dots": "ldots cdots dotsc dotsb ...", "to": "rightarrow longrightarrow ->",
    "implies": "Rightarrow Longrightarrow =>", "iff": "Leftrightarrow Longleftrightarrow <=>",
    "binom": "dbinom tbinom choose", "mod": "bmod pmod", "&": r"\&", "#": r"\#", "%": r"\% percent",
    "emptyset": "varnothing", "epsilon": "varepsilon", "phi": "varphi", "theta": "vartheta", "setminus": "backslash",
    "overline": "bar", "vec": "overrightarrow", "hat": "widehat", "tilde": "widetilde", "approx": "thickapprox",
    "cong": "simeq", "land": "wedge", "lor": "vee", "l": "ell", "triangle": "bigtriangleup vartriangle",
    "in": "isin", "[": "lbrack", "]": "rbrack", "(": "lparen", ")": "rparen", "degree": "degrees °", "'": "prime",
    "*": "star", "sqrt": "surd", "subset": "subseteq", "supset": "supseteq",
}  # fmt: skip
_CHARACTERS = {
    "△": r"\triangle ", "▵": r"\triangle ", "∆": r"\delta ", "⊥": r"\perp ", "∥": r"\parallel ", "∦": r"\nparallel ",
    "⇒": r"\implies ", "⟹": r"\implies ", "⇔": r"\iff ", "⟺": r"\iff ", "↦": r"\mapsto ", "∘": r"\circ ",
    "⊙": r"\odot ", "∼": r"\sim ", "≡": r"\equiv ", "∝": r"\propto ", "∴": r"\therefore ", "∃": r"\exists ",
    "⊕": r"\oplus ", "⊗": r"\otimes ", "⊃": r"\supset ", "⊇": r"\supset ", "⊊": r"\subset ", "•": " ", "●": " ",
    "？": "?", "！": "!", "［": "[", "］": "]", "｛": "{", "｝": "}", "«": " ", "»": " ", "„": " ", "‚": " ", "「": " ",
    "」": " ", "『": " ", "』": " ", "《": " ", "》": " ", "〔": "(", "〕": ")", "‖": "|", "¿": " ", "¡": " ", "·": " ",
    "ς": r"\sigma ",
}  # fmt: skip


def _table() -> dict[str, str]:
    """The replacement of each token: empty for layout; tokens that are not in the table stay."""
    table = {f"\\{word}": "" for word in [*_SAYS_NOTHING.split(), *string.punctuation, *string.digits]}
    for token, others in _SAME.items():
        for other in others.split():
            table[other if not other.isalpha() or other in ("percent", "degrees") else f"\\{other.lower()}"] = token
    for number, word in enumerate(_UNITS.split()):
        table[word] = str(number)
    for tens, word in enumerate(_TENS.split(), 2):
        table[word] = str(10 * tens)
        table |= {f"{word}{sign}{one}": str(10 * tens + i) for sign in "- " for i, one in enumerate(_ONES, 1)}
    return table


class _Written(dict[int, str]):
    """The replacement of each character beyond ASCII, looked up once."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if code < 128:
            written = character
        elif character in _CHARACTERS:
            written = _CHARACTERS[character]
        elif character.isdecimal():
            written = str(unicodedata.decimal(character))
        else:
            written = in_latex(character).lower()
        self[code] = written
        return written


_HAN = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BOTH_TENS = rf"(?:{'|'.join(_TENS.split())})[- ](?:{'|'.join(_ONES)})(?![a-z])"
# The first alternative is a special case of the third, for most words: ASCII character classes are faster.
_TOKEN = re.compile(
    rf"(?!{_BOTH_TENS})[a-z]++(?![^\W\d_{_HAN}])|{_BOTH_TENS}|[^\W\d_{_HAN}]+|\d+(?:\.\d+)?|\.\d+|\\[a-z]+|\\[^a-z\s]"
    r"|<=>|[<>!]=|=[<>]|->|\.\.\.|(?<=\b[^\W\d_])'(?![a-z])|-(?![a-z][a-z])|(?<=[\s(\[={,<>])-"
    rf"|[^\s\w{{}}$.,;:?\"'`~&*\\-]|[{_HAN}]"
)
_PIECE = re.compile(rf" |{_TOKEN.pattern}")
_MEANS = _table()
_WRITTEN = _Written()
_RAISED = re.compile("[\u00b2\u00b3\u00b9\u2070-\u207f]+|[\u2080-\u208e\u2090-\u209c]+")
_ROOM = re.compile(r"\\(?:begin|end)\s*\{[^{}]*\}(?:\s*\{[lcr|\s]*\})?|\\[hv](?:space|skip)\*?\s*\{[^{}]*\}")
_DIGITS = re.compile(r"(?<=\d)(?:\{,\}|,\\!|\\,)(?=\d{3})")
_THOUSANDS = re.compile(r"[1-9](?:(?<![\d.,(\[{].)|(?<=\\[(\[].))\d{0,2}(?:,\d{3})+(?![\d)\]}])")
_BARE_ABOVE = re.compile(r"\\[dtc]?frac\s*(\d|[a-z](?![a-z])|\\[a-z]+)\s*(?=[\d{\\a-z])")
_BARE_BELOW = re.compile(r"(\\[dtc]?frac\s*\{[^{}]*\})\s*(\d|[a-z]|\\[a-z]+)")
_LOG_BASE = re.compile(r"(\\log_\d)(?=\d)")
_BROKEN_WORD = re.compile(r"(?<=[a-z]{2})(?:-[ \t]*\n\s*|\\-)(?=[a-z]{2})")
_HTML_ABOVE = re.compile(r"<su([bp])>([^<>]*)</su[bp]>")
_HTML = re.compile(r"</?(?:p|br|b|i|u|em|strong|span|div|ul|ol|li|h[1-6]|table|tr|td|th|code|pre|a)(?:\s[^<>]*)?/?>")
_POWER = re.compile(r"(?<=[\w)])\*\*(?=[\d(]|[a-z]\b)")
_ATOM = r"\((-?(?:\d+(?:\.\d+)?|[^\W\d_]+))\)"
_BARE = re.compile(rf"(?<=[/^_]){_ATOM}|(?<=sqrt){_ATOM}|(?<![\w)\]}}]){_ATOM}(?=\s*/)")
_OVER = re.compile(r"\{((?:[^{}\\]|\\(?!over(?![a-z]))|\{[^{}]*+\})*+)\\over(?![a-z])((?:[^{}]++|\{[^{}]*+\})*+)\}")
_GROUP = re.compile(r"(?:(?<=[\^_/])|(?<=frac)|(?<=sqrt)|(?<=sqrt\[\d\]))\s*+\{((?:[^{}]++|\{[^{}]*+\})*+)\}")
_INNER = re.compile(r"\{[^{}]*+\}")
_IS_PRODUCT = re.compile(r"\d+\s*[a-z\\(]")
_IS_SUM = re.compile(r"[^\s({\[=,<>]\s*+[-+]")
_ARGUMENTS = re.compile(r"\}\s*\{")
_SIGN_ABOVE = re.compile(r"\^\s*\{?\s*\\(circ|prime|degree)(?![a-z])|\\degree(?![a-z])")


def tokens(text: str) -> list[str]:
    r"""The tokens of a problem: words, numbers, signs; all spellings of a text have the same tokens.

    Each number is one token (`is_number`), Chinese and Japanese characters are a token each. Signs of multiplication,
    braces, and punctuation of sentences are not tokens: 2\cdot x is 2x, and a colon equals a full stop.
    """
    found = _joined(_TOKEN.findall(_plain(text)))
    return found.split(JOINT) if found else []


def words(text: str) -> list[str]:
    """The same tokens, joined by `JOINT` if the text has no space between them: a formula is one word or a few."""
    found = _joined(_PIECE.findall(" ".join(_plain(text).split())))
    return [*filter(None, map(str.strip, found.split(" ")))]


def _joined(pieces: list[str]) -> str:
    """The replacements of a text's pieces, in one string, without a Python step for each piece."""
    return JOINT.join(filter(None, map(_MEANS.get, pieces, pieces))).replace("\\", "")


def is_number(token: str) -> bool:
    """Whether a token of `tokens` is a number."""
    return token[-1:].isdecimal()


def masked(words: Sequence[str]) -> list[str]:
    """The tokens with one sign for each number, so that problems that differ only in numbers are equal."""
    return [MASK if word[-1:].isdecimal() else word for word in words]


def _plain(text: str) -> str:
    """The text in lower case, in ASCII as far as possible, with each number in one piece, and without layout."""
    text = text.lower()
    if not text.isascii() or "&" in text:
        text = _in_ascii(text)
    if "," in text:
        text = _DIGITS.sub("", text) if "\\" in text or "{,}" in text else text
        text = _THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
    if "</" in text or "/>" in text or "<br>" in text:
        text = _HTML_ABOVE.sub(_raised, _HTML.sub(" ", text))
    if "-\n" in text or "\\-" in text:
        text = _BROKEN_WORD.sub("", text)
    if "**" in text:
        text = _POWER.sub("^", text)
    if "\\" in text or "{" in text:
        text = _without_layout(text)
    return _BARE.sub(_first_group, text) if ")" in text and ("/" in text or "sqrt" in text or "^(" in text) else text


def _raised(match: re.Match[str]) -> str:
    """HTML superscripts and subscripts as LaTeX."""
    return f"{'^' if match[1] == 'p' else '_'}{{{match[2]}}}"


def _first_group(match: re.Match[str]) -> str:
    """The content of brackets around a single token, which plain text has in fractions, roots and powers."""
    return match[match.lastindex or 0]


def _in_ascii(text: str) -> str:
    """Characters beyond ASCII as LaTeX, if they have a LaTeX form."""
    if "&" in text and ";" in text:
        text = unescape(text)
    text = _RAISED.sub(lambda run: in_latex(run[0]), unicodedata.normalize("NFC", text))
    return text.translate(_WRITTEN)


def _without_layout(text: str) -> str:
    r"""Removes environments and spacing, writes fractions with a sign between both parts, and puts sums in a power,
    a root or a fraction in brackets: 2^{x+1} is 2^(x+1), and not 2^x + 1.
    """
    if "begin" in text or "space" in text or "skip" in text:
        text = _ROOM.sub(" ", text)
    if "\\over" in text:
        text = _OVER.sub(r"\\frac{\1}{\2}", text)
    if "frac" in text:
        text = _BARE_BELOW.sub(r"\1{\2}", _BARE_ABOVE.sub(r"\\frac{\1}", text))
        text = _BARE_BELOW.sub(r"\1{\2}", text)
    if "\\log_" in text:
        text = _LOG_BASE.sub(r"\1 ", text)
    text = _SIGN_ABOVE.sub(lambda sign: "'" if sign[1] == "prime" else "°", text)
    text = _ARGUMENTS.sub("}/{", text)
    return _GROUP.sub(_grouped, text) if "{" in text else text


def _grouped(match: re.Match[str]) -> str:
    """A LaTeX group, in brackets if its meaning would change without them: a sum, or 3x in a power."""
    inside, before = match[1], match.string[match.start() - 1]
    whole = ("+" in inside or "-" in inside) and _IS_SUM.search(_INNER.sub("", inside))
    whole = whole or (before == "^" and _IS_PRODUCT.match(inside))
    if "{" in inside:
        inside = _GROUP.sub(_grouped, inside)
    return f"({inside})" if whole else f"{{{inside}}}"
