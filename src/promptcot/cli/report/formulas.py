r"""Formulas for a terminal: `$\frac{n}{2} \le 2^{k}$` becomes `n/2 ≤ 2ᵏ`, if the result is unambiguous.

A formula with something that cannot be written in one line of text (a matrix, an accent, a mixed number), or without
an end, stays as its source, with its delimiters. Text outside formulas is never changed. The names of symbols are those
of latex2mathml.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_FORMULA = re.compile(
    r"\\\$|\$\$(?P<display>[^$]{1,2000})\$\$|\$(?P<inline>(?!\s)(?:\\.|[^$\\]){1,2000}?)(?<!\s)\$(?!\d)"
    r"|\\\((?P<round>.{1,2000}?)\\\)|\\\[(?P<square>.{1,2000}?)\\\]",
    re.DOTALL,
)
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|\s+|.", re.DOTALL)
_DEEPEST = 20

_ABOVE = {
    **dict(zip("0123456789+-=()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾", strict=True)),
    **dict(zip("abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ", strict=True)),
}
_BELOW = {
    **dict(zip("0123456789+-=()", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎", strict=True)),
    **dict(zip("aehijklmnoprstuvx", "ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True)),
}
_WHOLE_ABOVE = {"∘": "°", "°": "°", "′": "′", "∗": "*", "*": "*"}
_FRACTIONS = {"\\frac", "\\dfrac", "\\tfrac", "\\cfrac"}
_TEXTS = {"\\text", "\\textrm", "\\textbf", "\\textit", "\\mathrm", "\\mathbf", "\\mathit", "\\operatorname", "\\mbox"}
_SPACES = {"\\,": " ", "\\;": " ", "\\:": " ", "\\ ": " ", "\\!": "", "\\quad": "  ", "\\qquad": "  ", "~": " "}
_NAMES = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "log", "ln"),
    *("lg", "exp", "gcd", "min", "max", "sup", "inf", "det", "dim", "deg", "arg", "ker", "Pr"),
}
_PLAIN = {
    **{f"\\{one}": one for one in "{}%$&#_|"},
    **{"\\lvert": "|", "\\rvert": "|", "\\vert": "|", "\\mid": " | ", "\\lbrace": "{", "\\rbrace": "}"},
    **{"\\bmod": " mod ", "\\colon": ":", "\\ldots": "…", "\\dots": "…", "\\cdots": "⋯", "\\cdot": " · "},
    "'": "′",
}
_SIZES = {"\\left", "\\right", "\\middle"} | {
    f"\\{size}{side}" for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r")
}
_NO_SPACE = "∀∃¬∠△∂∇∅∞′°…⋯⌊⌋⌈⌉⟨⟩√∑∏∫"
"""Symbols that stand before their operand, or alone: no spaces around them."""


def readable(text: str) -> str:
    """The text with its formulas in readable characters, where the result is unambiguous."""
    return _FORMULA.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    source = next((part for part in found.groups() if part is not None), None)
    if source is None:
        return found[0]
    try:
        return _Reader(source).all()
    except _Uncertain:
        return found[0]


class _Uncertain(Exception):
    """A formula cannot be written in one line of text, or the line would be ambiguous."""


class _Reader:
    """One formula, read from left to right."""

    def __init__(self, source: str, depth: int = 0) -> None:
        if depth > _DEEPEST:
            raise _Uncertain
        self._tokens = _TOKEN.findall(source)
        self._place = 0
        self._depth = depth
        self._out = ""

    def all(self) -> str:
        """The complete formula. Raises _Uncertain."""
        while self._place < len(self._tokens):
            self._read(self._next())
        return re.sub(r" {2,}", " ", self._out).strip()

    def _next(self) -> str:
        token: str = self._tokens[self._place]
        self._place += 1
        return token

    def _read(self, token: str) -> None:
        if token.isspace():
            self._out += " "
        elif token in ("^", "_"):
            self._script(token)
        elif token in _FRACTIONS:
            self._fraction()
        elif token == "\\sqrt":
            self._root()
        elif token == "\\binom":
            self._out += f"C({self._argument()}, {self._argument()})"
        elif token == "\\pmod":
            self._out += f" (mod {self._argument()})"
        elif token in _TEXTS:
            self._out += self._raw()
        elif token == "\\mathbb":
            self._out += self._symbol(f"\\mathbb{{{self._raw()}}}")
        elif token in _SIZES:
            self._delimiter()
        elif token == "{":
            self._place -= 1
            self._out += self._argument()
        elif token in _SPACES:
            self._out += _SPACES[token]
        else:
            self._out += self._symbol(token)

    def _symbol(self, token: str) -> str:
        if token in _PLAIN:
            return _PLAIN[token]
        if token in "}&%#$" or (token.startswith("\\") and not token[1:2].isalpha()):
            raise _Uncertain
        if not token.startswith("\\"):
            return token
        if token[1:] in _NAMES:
            return self._named(token[1:])
        symbol = symbol_of(token)
        if symbol is None:
            raise _Uncertain
        return f" {symbol} " if unicodedata.category(symbol) == "Sm" and symbol not in _NO_SPACE else symbol

    def _named(self, name: str) -> str:
        """The name of a function, with a space before and after it if a letter or digit is next to it."""
        before = " " if self._out[-1:].isalnum() else ""
        after = " " if self._ahead().isalnum() or self._ahead().startswith("\\") else ""
        return f"{before}{name}{after}"

    def _ahead(self) -> str:
        """The next token, or nothing."""
        return self._tokens[self._place] if self._place < len(self._tokens) else ""

    def _raw(self) -> str:
        """The text of the braces that come next. Raises _Uncertain."""
        while self._ahead().isspace():
            self._place += 1
        if self._ahead() != "{":
            return self._next() if self._ahead() and self._ahead()[0] not in "\\}^_" else self._fail()
        self._place += 1
        begin, open_braces = self._place, 1
        while open_braces:
            if self._place == len(self._tokens):
                raise _Uncertain
            token = self._next()
            open_braces += (token == "{") - (token == "}")
        text = "".join(self._tokens[begin : self._place - 1])
        if re.search(r"[\\${}]", text):
            raise _Uncertain
        return text

    def _fail(self) -> str:
        raise _Uncertain

    def _argument(self) -> str:
        """The argument of a command: a group, or the next token."""
        while self._ahead().isspace():
            self._place += 1
        token = self._ahead()
        if not token or token in ("}", "^", "_"):
            raise _Uncertain
        self._place += 1
        if token != "{":
            return _Reader(token, self._depth + 1).all()
        begin, open_braces = self._place, 1
        while open_braces:
            if self._place == len(self._tokens):
                raise _Uncertain
            token = self._next()
            open_braces += (token == "{") - (token == "}")
        return _Reader("".join(self._tokens[begin : self._place - 1]), self._depth + 1).all()

    def _script(self, token: str) -> None:
        """An exponent or an index: in superscript or subscript characters if there is one for each character."""
        if not self._out.strip():
            raise _Uncertain
        self._out = self._out.rstrip()
        found = self._argument()
        small = _ABOVE if token == "^" else _BELOW
        if token == "^" and found in _WHOLE_ABOVE:
            self._out += _WHOLE_ABOVE[found]
        elif found and all(one in small for one in found.replace(" ", "")):
            self._out += "".join(small[one] for one in found.replace(" ", ""))
        else:
            self._out += token + (found if found.isalnum() and len(found) == 1 else f"({found})")

    def _fraction(self) -> None:
        above, below = self._argument(), self._argument()
        before = self._out.rstrip()[-1:]
        if before.isdigit():  # a mixed number, or a product
            raise _Uncertain
        found = f"{_factor(above)}/{_factor(below)}"
        ahead = next((token for token in self._tokens[self._place :] if not token.isspace()), "")
        joined = before.isalpha() or before in tuple(")]}!/^") or _is_factor(ahead)
        self._out += f"({found})" if joined else found

    def _root(self) -> None:
        sign = "√"
        if self._ahead() == "[":
            end = self._tokens.index("]", self._place) if "]" in self._tokens[self._place :] else self._place
            order = "".join(self._tokens[self._place + 1 : end])
            if order not in ("2", "3", "4"):
                raise _Uncertain
            sign, self._place = {"2": "√", "3": "∛", "4": "∜"}[order], end + 1
        found = self._argument()
        alone = found.isalnum() and not self._ahead()[:1].isalnum()
        self._out += sign + (found if alone else f"({found})")

    def _delimiter(self) -> None:
        """The bracket after `\\left` and similar commands, or a dot for none."""
        while self._ahead().isspace():
            self._place += 1
        token = self._next() if self._ahead() else "."
        self._out += "" if token == "." else self._symbol(token).strip()


def _is_factor(ahead: str) -> bool:
    """Whether the token after a fraction would look like a part of its denominator."""
    if not ahead.startswith("\\"):
        return ahead[:1].isalnum() or ahead in tuple("^_([{!/")
    if ahead in (*_FRACTIONS, *_TEXTS, *_SIZES, "\\sqrt", "\\binom", "\\mathbb") or ahead[1:] in _NAMES:
        return ahead != "\\right"
    return (symbol_of(ahead) or "").isalpha()


def _factor(text: str) -> str:
    """A numerator or denominator, in brackets unless it is a single number, variable or root."""
    return text if text.isalnum() or re.fullmatch(r"[\w√∛∜.⁰¹²³⁴⁵⁶⁷⁸⁹ⁿᵏ₀₁₂₃₄₅₆₇₈₉!]+", text) else f"({text})"


@lru_cache(maxsize=1024)
def symbol_of(command: str) -> str | None:
    """The character of a command; None if it has none."""
    from latex2mathml.symbols_parser import convert_symbol

    code = convert_symbol(command)
    if code is None or not re.fullmatch(r"[0-9A-Fa-f]{1,6}", code):
        return None
    symbol = chr(int(code, 16))
    return symbol if symbol.isprintable() and unicodedata.category(symbol)[0] in "LSNP" else None
