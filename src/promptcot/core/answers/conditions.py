r"""Conditions on the letters of an answer: n = 3k, k \in \mathbb{Z}; x^2 \quad (x > 0); \{2k \mid k \in \mathbb{N}\}.

Recognizes text that only states for which letters something holds. `exact` compares such an answer with one without the
condition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from promptcot.core.answers.relations import has_order, has_variable
from promptcot.core.answers.shapes import Group, Leaf, Named, Part

_CONDITION = r"\\?[a-zA-Z](?:,\s*[a-zA-Z])*\s*(?:\\(?:in|ge|le|ne)(?![a-z])|[<>])[^()]*"
_BEHIND = re.compile(
    rf"(?<=[^\s(,])\s*,?\s*(?:\s\(\s*({_CONDITION})\)|\\text\s*\{{\s*,?\s*(?:for|where|with)\s*\}}\s*({_CONDITION}))$"
)
_SAID = re.compile(
    r"\s*,?\s*(?:\\text\s*\{)?\s*,?\s*\b(?:where|with|for)\s*\}?\s*\$?(\\?[a-zA-Z])\$?\s*(?:\\text\s*\{)?\s*"
    r"(?:is|being)\s+(?:an?\s+|any\s+|some\s+|the\s+|arbitrary\s+)*(constant(?:\s+of\s+integration)?|real\s+constant|real(?:\s+number)?"
    r"|integer|positive\s+integer|natural(?:\s+number)?|rational(?:\s+number)?)\s*\}?$"
)
_SETS = {"integer": "Z", "positive integer": "N", "natural": "N", "rational": "Q"}
_RELATION = re.compile(r"\\(?:in|ne)(?![a-z])")
_MOST = 2


def behind_comma(text: str) -> str:
    """A normalised text with a comma before the condition at its end, as it is usually written."""
    if "where" in text or "\\text" in text:
        text = _SAID.sub(_as_membership, text)
    if not (text.endswith(")") or "\\text" in text):
        return text
    return _BEHIND.sub(lambda match: f", {(match[1] or match[2]).strip()}", text)


def _as_membership(said: re.Match[str]) -> str:
    r"""k \in \mathbb{Z} for "where k is an integer"; empty for "where C is a constant"."""
    kind = " ".join(said[2].split())
    return "" if "constant" in kind else rf", {said[1]} \in \mathbb{{{_SETS.get(kind.removesuffix(' number'), 'R')}}}"


def conditional(text: str, items: Sequence[Part]) -> Group | None:
    """A statement with conditions on letters in it; None for anything else."""
    statement, *conditions = items
    if not 0 < len(conditions) <= _MOST or not isinstance(statement, Leaf | Named):
        return None
    if has_order(statement.text) or _RELATION.search(statement.text):
        return None  # two bounds
    said = statement.value if isinstance(statement, Named) else statement
    own = statement.name if isinstance(statement, Named) else ""
    if not has_variable(said.text) or (isinstance(statement, Leaf) and "=" in statement.text):
        return None
    restricts = all(_restricts(condition, said.text, own) for condition in conditions)
    return Group(text, "where", tuple(items)) if restricts else None


def _restricts(condition: Part, text: str, own: str) -> bool:
    if not isinstance(condition, Named) or condition.name == own:
        return False
    says = has_order(condition.text) or _RELATION.search(condition.text)
    letter = re.search(rf"(?<![a-zA-Z\\]){re.escape(condition.name)}(?![a-zA-Z])", text)
    return bool(says and letter)
