"""Converts one formula to MathML that browsers show without fonts or scripts.

Only the elements and attributes listed here are kept of the output of latex2mathml. Text is escaped, so nothing planted
in a formula becomes markup. Browsers implement MathML Core (https://www.w3.org/TR/mathml-core/), which has no
`menclose`, no alphabets (`mathvariant`) and no column alignment: these become classes of the stylesheet, and characters
of Unicode's mathematical alphabets.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter
from markupsafe import Markup, escape

from promptcot.pages.latex import AMPERSAND, CLOSE, OPEN, NotShown, normalised
from promptcot.printable import printable

_LENGTH = re.compile(r"[+-]?\d{0,2}(?:\.\d{1,4})?(?:em|ex|px|pt|cm|mm|in)|0")
_YES = re.compile(r"true|false")
_TOKENS = {"mi", "mn", "mo", "mtext"}
_GROUPS = {"mrow", "mstyle", "mphantom", "msqrt", "mtable", "mtr", "mtd"}
_FIXED = {"mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}
_ELEMENTS = _TOKENS | _GROUPS | {*_FIXED} | {"mspace", "mpadded"}
"""All elements within `math` on a page, besides `semantics` and `annotation`."""
_ATTRIBUTES = {
    **dict.fromkeys(("displaystyle", "stretchy", "fence", "separator", "accent", "movablelimits", "largeop"), _YES),
    **dict.fromkeys(("width", "height", "depth", "lspace", "rspace", "voffset", "minsize", "maxsize"), _LENGTH),
    "linethickness": _LENGTH,
    "scriptlevel": re.compile(r"[+-]?\d"),
    "form": re.compile(r"prefix|postfix|infix"),
}
_SPACES = {"negativethinmathspace": "-0.167em", "negativemediummathspace": "-0.222em"}
_ENCLOSED = {"box": "boxed", "updiagonalstrike": "struck", "downdiagonalstrike": "struck", "horizontalstrike": "struck"}
_DEEPEST = 150
_LIMITS = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
_WITH_LIMITS = {
    "lim",
    "max",
    "min",
    "sup",
    "inf",
    "gcd",
    "det",
    "Pr",
    "&#x02211;",
    "&#x0220F;",
    "&#x022C3;",
    "&#x022C2;",
}
"""Operators with limits below and above in display style: lim, max, sums, products, unions, intersections."""
_MOVED = {"lim", "max", "min", "sup", "inf", "gcd", "det", "Pr"}
_BARS = {"&#x02015;", "&#x000AF;"}
"""The bar over a segment, which the stylesheet draws: few fonts can stretch it."""
_FENCES = set("⌊⌋⌈⌉⟨⟩()[]{}|‖")

_ALPHABETS = {
    "bold": (0x1D400, 0x1D41A, 0x1D7CE),
    "italic": (0x1D434, 0x1D44E, None),
    "bold-italic": (0x1D468, 0x1D482, None),
    "script": (0x1D49C, 0x1D4B6, None),
    "fraktur": (0x1D504, 0x1D51E, None),
    "double-struck": (0x1D538, 0x1D552, 0x1D7D8),
    "sans-serif": (0x1D5A0, 0x1D5BA, 0x1D7E2),
    "sans-serif-italic": (0x1D608, 0x1D622, None),
    "monospace": (0x1D670, 0x1D68A, 0x1D7F6),
}
_EXCEPTIONS = {
    "italic": dict(zip("h", "ℎ", strict=True)),
    "script": dict(zip("BEFHILMRego", "ℬℰℱℋℐℒℳℛℯℊℴ", strict=True)),
    "fraktur": dict(zip("CHIRZ", "ℭℌℑℜℨ", strict=True)),
    "double-struck": dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True)),
}
_IN_TEXT = {"bold": "bold", "italic": "italic", "bold-italic": "bold", "monospace": "mono"}


@lru_cache(maxsize=4096)
def mathml(source: str, block: bool) -> Markup:
    """The formula as `<math>`, with its source as an annotation. Raises NotShown if it cannot be shown correctly."""
    display = "block" if block else "inline"
    try:
        made = Converter(display=display).convert_to_element(normalised(source))
        inner = Markup("").join(_shown(child, 0) for child in made)
    except NotShown:
        raise
    except Exception as error:  # latex2mathml raises many kinds for invalid formulas, RecursionError included
        raise NotShown from error
    annotation = Markup('<annotation encoding="application/x-tex">{}</annotation>').format(printable(source.strip()))
    return Markup('<math display="{}"><semantics><mrow>{}</mrow>{}</semantics></math>').format(
        display, inner, annotation
    )


def _shown(element: Element, depth: int) -> Markup:
    """One element with its content, in the listed elements and attributes only."""
    tag, attributes = element.tag, dict(element.attrib)
    if tag == "menclose":
        classes = " ".join({_ENCLOSED.get(kind, "boxed"): 0 for kind in attributes.get("notation", "box").split()})
        return _element("mrow", {"class": classes}, _children(element, depth))
    if tag not in _ELEMENTS or depth > _DEEPEST:
        raise NotShown
    if tag in _FIXED and len(element) != _FIXED[tag]:
        element = _with_one_base(element)
    if tag in ("mover", "munder") and (element[1].text or "") in _BARS:
        bar = "overlined" if tag == "mover" else "underlined"
        return _element("mrow", {"class": bar}, _shown(element[0], depth + 1))
    if tag in _TOKENS:
        return _token(element)
    if tag == "mtable":
        return _table(element, depth)
    if tag == "mspace" and "linebreak" in attributes:
        raise NotShown  # a line break outside a table
    tag = _LIMITS.get(tag, tag) if tag in _LIMITS and (element[0].text or "") in _WITH_LIMITS else tag
    return _element(tag, _allowed(attributes), _children(element, depth))


def _with_one_base(element: Element) -> Element:
    """`|A|^2` with one base instead of the table and two bars. Raises NotShown for anything else."""
    scripts = _FIXED[element.tag] - 1
    base, rest = list(element)[:-scripts], list(element)[-scripts:]
    if element.tag not in ("msub", "msup", "msubsup") or len(base) < 2 or rest[-1].tag == "mo":
        raise NotShown
    whole, row = Element(element.tag, element.attrib), Element("mrow")
    row.extend(base)
    whole.extend([row, *rest])
    return whole


def _children(element: Element, depth: int) -> Markup:
    loose = _escaped(_decoded(element.text or "").replace(AMPERSAND, "&"))
    inner = Markup("").join(_shown(child, depth + 1) for child in _without_bars([*element]))
    return Markup("<mtext>{}</mtext>{}").format(loose, inner) if loose.strip() else inner


def _without_bars(children: Sequence[Element]) -> Iterator[Element]:
    """The bars of a determinant become the borders of its table: few fonts can stretch them."""
    bars = set[int]()
    for place in range(1, len(children) - 1):
        around = children[place - 1], children[place + 1]
        if children[place].tag == "mtable" and all(one.tag == "mo" and one.text == "&#x0007C;" for one in around):
            children[place].set("frame", "bars")
            bars |= {place - 1, place + 1}
    return (child for place, child in enumerate(children) if place not in bars)


def _table(element: Element, depth: int) -> Markup:
    lines = element.get("columnlines"), element.get("rowlines")
    ruled = " ".join(name for name, line in zip(("columns", "rows"), lines, strict=True) if line and "solid" in line)
    rows = []
    for row in element:
        cells = [_element("mtd", {"class": cell.get("columnalign") or ""}, _children(cell, depth + 2)) for cell in row]
        rows.append(_element("mtr", {}, Markup("").join(cells)))
    classes = " ".join(filter(None, (f"ruled {ruled}" if ruled else "", element.get("frame", ""))))
    allowed = {**_allowed(dict(element.attrib)), "class": classes}
    return _element("mtable", allowed, Markup("").join(rows))


def _token(element: Element) -> Markup:
    text, variant = _decoded(element.text or ""), element.get("mathvariant")
    if len(element):
        inner = Markup("").join(_shown(child, 0) for child in element)
        return _element("mrow", {}, inner) if not text else _raise()
    if element.tag != "mtext" and (text == "&" or (len(text) > 1 and text[0] == "\\")):
        raise NotShown  # a command that latex2mathml does not know, or a column outside a table
    text = text.replace(AMPERSAND, "&")
    parts = re.fullmatch(r"(-?)(\d+(?:\.\d+)?)\s*([a-z]{2})", text) if element.tag in ("mn", "mi") else None
    if parts:  # `2ex` in a formula is a product, not a length
        return _measured(parts)
    allowed, tag = _allowed(dict(element.attrib)), element.tag
    if tag == "mi" and len(text) == 1 and (text in _FENCES or unicodedata.category(text) in ("Sm", "Po", "Pd")):
        return _operator(text)
    if tag == "mo" and text in _MOVED:
        allowed |= {"movablelimits": "true", "lspace": "0em", "rspace": "0.167em"}
    elif tag == "mo" and len(text) > 1 and text.isalpha() and text != "mod":
        tag = "mi"  # the name of a function, which needs no room around it
    elif tag == "mo" and text in ("|", "‖") and allowed.get("stretchy") != "true":
        allowed |= {"stretchy": "false", "lspace": "0em", "rspace": "0em"}
    elif text == "⧸":
        raise NotShown  # a stroke through whatever comes next
    if element.tag == "mtext":
        allowed["class"] = _IN_TEXT.get(variant or "", "")
    elif variant == "normal":
        allowed["mathvariant"] = "normal"
    elif variant:
        text = "".join(_in_alphabet(letter, variant) for letter in text)
    if tag == "mi" and re.fullmatch(r"\.\d+", text):
        tag = "mn"
    return _element(tag, allowed, _escaped(text))


def _operator(text: str) -> Markup:
    """An operator or a bracket that latex2mathml takes for a variable."""
    return _element("mo", {"stretchy": "false"} if text in _FENCES else {}, _escaped(text))


def _raise() -> Markup:
    raise NotShown


def _measured(parts: re.Match[str]) -> Markup:
    letters = Markup("").join(Markup("<mi>{}</mi>").format(letter) for letter in parts[3])
    sign = Markup("<mo>−</mo>") if parts[1] else Markup("")
    return Markup("<mrow>{}<mn>{}</mn>{}</mrow>").format(sign, parts[2], letters)


def _in_alphabet(letter: str, variant: str) -> str:
    if variant not in _ALPHABETS:
        raise NotShown
    capital, small, digit = _ALPHABETS[variant]
    if exception := _EXCEPTIONS.get(variant, {}).get(letter):
        return exception
    for first, start in (("A", capital), ("a", small), ("0", digit)):
        if (
            start is not None
            and letter.isascii()
            and letter.isalnum()
            and 0 <= ord(letter) - ord(first) < (10 if first == "0" else 26)
        ):
            return chr(start + ord(letter) - ord(first))
    return letter


def _allowed(attributes: dict[str, str]) -> dict[str, str]:
    named = {name: _SPACES.get(value, value) for name, value in attributes.items()}
    return {name: value for name, value in named.items() if name in _ATTRIBUTES and _ATTRIBUTES[name].fullmatch(value)}


def _element(tag: str, attributes: dict[str, str], inner: Markup) -> Markup:
    written = Markup("").join(Markup(' {}="{}"').format(name, value) for name, value in attributes.items() if value)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), written, inner)


def _decoded(text: str) -> str:
    """The characters that latex2mathml writes as numbers."""
    found = re.sub(r"&#x([0-9A-Fa-f]{1,6});", lambda code: chr(min(int(code[1], 16), 0x10FFFF)), text)
    return found.replace(OPEN, "{").replace(CLOSE, "}")


def _escaped(text: str) -> Markup:
    return escape(printable(text))
