r"""Words around and in place of mathematics: "The answer is 30", "no solution", "all real numbers", 5 元, 2 或 3.

Decides which sentences only introduce an answer, which phrases stand for a LaTeX sign, and which words join two answers
in other languages. `units` handles units and counted things.
"""

from __future__ import annotations

import re

from promptcot.core.answers.brackets import closing

_KINDS = "answer|result|value|total|number|solution|sum|product|area|volume|perimeter|probability|distance|length"
_SUCH = "final|correct|exact|required|desired|total|minimum|maximum|smallest|largest|greatest|least|possible"
_LEAD = re.compile(
    r"\\text\s*\{\s*(?:so|thus|hence|therefore|then|finally|exactly|we\s+(?:get|have|find))\s*[,:]?\s*(?=\})"
    rf"|\\text\s*\{{\s*(?:the\s+)?(?:{_KINDS})\s*[:=]?\s*(?=\}}\s*[-\d\\])"
    r"|\\text\s*\{\s*(?:the\s+)?[a-z]+(?:\s+(?:of|for|to)\s+[a-z ]{1,40}?)?\s+(?:is|are|equals)\s*:?\s*(?=\}\s*\S)"
    r"|(?:\\text\s*\{\s*)?(?:(?:so|thus|hence|therefore),?\s+)?(?:there\s+(?:is|are)\s*(?=\}?\s*[-\d])"
    rf"|(?:the\s+)?(?:(?:{_SUCH})\s+)*(?:{_KINDS})s?(?:\s+(?:of|for|to)\s+[a-z ]{{1,40}}?)?"
    r"(?:\s*[:：]|\s+(?:is|are|equals)\b\s*:?)\s*(?=\S))",
    re.IGNORECASE,
)
_LEAD_CHINESE = re.compile(r"(?:\\text\s*\{\s*)?(?:最终|正确)?(?:答案|结果|答)\s*(?:是|为|[:：])+\s*(?=\S)")
_OTHERWISE = re.compile(
    r"\W*(?:not|no|never|either|neither|between|at|greater|less|more|fewer|over|under|above|below|undefined|unknown|given)\b",
    re.IGNORECASE,
)
_ROUGHLY = re.compile(
    r"(?:\\text\s*\{\s*)?(?:approximately|approx\.?|about|roughly|around)\s*\}?\s*(?=[-\d\\$])|\\approx(?![a-z])", re.I
)
_PLAIN = re.compile(r"\\text\s*\{([^{}]*)\}|([a-zA-Z][a-zA-Z.' ]*)")

_NONE = (
    "no solution", "no solutions", "there is no solution", "there are no solutions", "has no solution", "empty set",
    "the empty set", "empty",
)  # fmt: skip
_REALS = ("all real numbers", "all reals", "all real", "the real numbers", "any real number", "every real number")
_PHRASES = {
    **dict.fromkeys(_NONE, r"\emptyset "),
    **dict.fromkeys(_REALS, r"\mathbb{R}"),
    **dict.fromkeys(("dne", "d.n.e.", "d.n.e", "does not exist", "doesn't exist"), r"\text{does not exist}"),
    **dict.fromkeys(
        ("infinitely many", "infinitely many solutions", "there are infinitely many solutions", "infinite solutions"),
        r"\text{infinitely many}",
    ),
    **dict.fromkeys(("infinity", "positive infinity"), r"\infty "),
    "negative infinity": r"-\infty ",
}
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_JOINTS = [
    (re.compile(rf"(?<![{_IDEOGRAPHS}])\s*(?:或者?|または|또는)\s*(?![{_IDEOGRAPHS}])"), " or "),
    (re.compile(rf"(?<![{_IDEOGRAPHS}])\s*(?:和|与|及|以及|と|와|과)\s*(?![{_IDEOGRAPHS}])"), " and "),
    (re.compile(r"(?<=[\d)}\]$\s])(?:или|oder|ou)(?=[\d({\[\\$\s-])"), " or "),
    (re.compile(r"(?<=[\d)}\]$\s])(?:и|und|et)(?=[\d({\[\\$\s-])"), " and "),
]
_COUNTED = re.compile(rf"(?<=[\d}})])\s*([{_IDEOGRAPHS}]{{1,6}}|[\u0400-\u04ff]{{1,15}})$")
_DEGREE = re.compile(r"(?<=[\d}])\s*度")


def spoken(text: str) -> str:
    """A normalised text without introductory words, and with signs instead of phrases."""
    if not text.isascii():
        text = _in_other_languages(text)
    if lead := _LEAD.match(text) or _LEAD_CHINESE.match(text):
        text = _without(text, lead)
    return _phrase(text)


def _in_other_languages(text: str) -> str:
    for joint, word in _JOINTS:
        text = joint.sub(word, text)
    return _COUNTED.sub(r"\\text{ \1}", _DEGREE.sub(r"^\\circ ", text))


def _without(text: str, lead: re.Match[str]) -> str:
    """The text after an introduction; unchanged if that negates the answer or only bounds it."""
    if _OTHERWISE.match(text, lead.end()):
        return text
    if not lead[0].startswith(r"\text"):
        return text[lead.end() :]
    end = closing(text, text.index("{"))
    if end is None:
        return text
    inside = text[lead.end() : end - 1]
    return (rf"\text{{{inside}}}" if re.search(r"[^\W\d_]", inside) else inside) + text[end:]


def _phrase(text: str) -> str:
    if rough := _ROUGHLY.match(text):
        return _rest_of(text, rough)
    match = _PLAIN.fullmatch(text.strip())
    words = " ".join((match[1] or match[2] or "").lower().split()) if match else ""
    return _PHRASES.get(words.strip(" !"), _PHRASES.get(words, text))


def _rest_of(text: str, rough: re.Match[str]) -> str:
    """The text after "approximately"; if that is inside \\text, the rest of that \\text is left out too."""
    rest = text[rough.end() :].strip()
    return rest[:-1] if rough[0].startswith(r"\text") and "}" not in rough[0] and rest.endswith("}") else rest
