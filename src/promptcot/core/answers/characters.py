r"""Converts characters beyond ASCII to LaTeX: ½ ⁴ ₁ √ − π ∪ &le;, full-width digits; removes zero-width characters.

Decides the meaning of a character, by its Unicode decomposition if it has one. `normalise` interprets the LaTeX.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from html import unescape

_COMMANDS = {
    "×": "times", "⋅": "cdot", "·": "cdot", "∙": "cdot", "∗": "cdot", "∞": "infty", "≤": "le", "≥": "ge", "⩽": "le",
    "⩾": "ge", "≠": "ne", "≈": "approx", "≅": "approx", "≃": "approx", "±": "pm", "∓": "mp", "∪": "cup", "∩": "cap",
    "∈": "in", "∉": "notin", "∖": "setminus", "∅": "emptyset", "√": "sqrt", "∑": "sum", "∏": "prod", "∫": "int",
    "∠": "angle", "→": "to", "⟨": "langle", "⟩": "rangle", "〈": "langle", "〉": "rangle", "⌊": "lfloor", "⌋": "rfloor",
    "⌈": "lceil", "⌉": "rceil", "∣": "mid", "¬": "neg", "∧": "land", "∨": "lor", "≡": "equiv", "…": "ldots",
    "⋯": "ldots",
    "ℝ": "mathbb{R}", "ℤ": "mathbb{Z}", "ℚ": "mathbb{Q}", "ℕ": "mathbb{N}", "ℂ": "mathbb{C}", "ℓ": "ell", "ħ": "hbar",
    "ℏ": "hbar", "∀": "forall", "∂": "partial", "∇": "nabla", "⊂": "subset", "⊆": "subseteq", "∛": "sqrt[3]",
    "∜": "sqrt[4]",
}  # fmt: skip
_PLAIN = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "÷": "/", "∕": "/", "⁄": "/", "°": r"^\circ ", "º": r"^\circ ",
    "%": "%", "，": ",", "、": ",", "；": ";", "：": ":", "（": "(", "）": ")", "．": ".", "。": ".", "【": "[",
    "】": "]", "‘": "'", "’": "'", "′": "'", "″": "''", "‴": "'''", "“": '"', "”": '"', "＝": "=", "＜": "<",
    "＞": ">", "˚": r"^\circ ", "¢": r"\text{ cents}",
}  # fmt: skip
_SCRIPTS = {"<super>": "^", "<sub>": "_"}
_ROOT = re.compile(r"([√∛∜])\s*(\d+(?:\.\d+)?)")
_ENTITY = re.compile(r"&(?:#\d{1,5}|#x[\da-fA-F]{1,5}|[a-zA-Z]{2,8}\d{0,2});")


def in_latex(text: str) -> str:
    """`text` with every mathematical character beyond ASCII written as LaTeX; other characters stay."""
    if "&" in text and ";" in text:
        text = _ENTITY.sub(lambda entity: unescape(entity[0]), text)
    if text.isascii():
        return text
    text = _ROOT.sub(r"\1{\2}", text)
    pieces = []
    script, raised = "", ""
    for character in text:
        kind, plain = _script(character)
        if kind != script and raised:
            pieces.append(f"{script}{{{raised}}}")
            raised = ""
        script = kind
        if kind:
            raised += plain
        else:
            pieces.append(_written(character))
    return "".join([*pieces, f"{script}{{{raised}}}" if raised else ""])


@lru_cache(maxsize=4096)
def _script(character: str) -> tuple[str, str]:
    """For a superscript or subscript character, "^" or "_" and the plain character; empty for all others."""
    tag, _, code = unicodedata.decomposition(character).partition(" ")
    if tag not in _SCRIPTS or character in _PLAIN or " " in code:
        return "", ""
    plain = chr(int(code, 16))
    return _SCRIPTS[tag], _PLAIN.get(plain, plain)


@lru_cache(maxsize=4096)
def _written(character: str) -> str:
    if character.isascii():
        return character
    if character in _COMMANDS:
        return f"\\{_COMMANDS[character]} "
    if character in _PLAIN:
        return _PLAIN[character]
    if unicodedata.category(character) in ("Cf", "Mn") and character not in "\u0307\u0323":
        return ""  # zero-width characters: joiners, directions, the byte order mark
    if character.isspace():
        return " "
    if letter := _greek(character):
        return letter
    tag, _, codes = unicodedata.decomposition(character).partition(" ")
    if tag == "<fraction>":
        above, _, below = "".join(chr(int(code, 16)) for code in codes.split()).partition("⁄")
        return rf"\frac{{{above}}}{{{below}}}" if below else character
    if tag in ("<wide>", "<font>", "<narrow>", "<noBreak>", "<small>", "<circle>"):
        return _written(unicodedata.normalize("NFKC", character)) if tag != "<circle>" else character
    return character


def _greek(character: str) -> str:
    """The command of a Greek letter; those that look like Latin letters, such as Α and ο, become Latin letters."""
    name = unicodedata.name(character, "")
    word = re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (\w+)", name)
    if not word:
        return ""
    letter = word[2].lower().replace("lamda", "lambda")
    if letter not in _GREEK:
        return ""
    if word[1] == "CAPITAL":
        return f"\\{letter.capitalize()} " if letter in _CAPITALS else ""
    return f"\\{letter} "


_LETTERS = """
alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
"""
_LOOK_LATIN = """alpha beta epsilon zeta eta iota kappa mu nu rho tau chi"""
_GREEK = frozenset(_LETTERS.split())
_CAPITALS = _GREEK - frozenset(_LOOK_LATIN.split())
