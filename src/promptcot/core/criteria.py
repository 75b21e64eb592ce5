"""The criteria that judges rate, and the rule from ratings to verdict. Both are data of a domain.

A domain's `criteria.toml` names the ratings in the order of the reply, which of them have to be perfect for a perfect
verdict, and how many of the others. The three words of a rating are the same in all domains. `judging` parses
replies.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptcot.errors import InputError

Rating = Literal["perfect", "acceptable", "bad"]
Verdict = Literal["perfect", "acceptable", "bad", "invalid"]

RATINGS: tuple[Rating, ...] = ("perfect", "acceptable", "bad")
"""From best to worst."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of a judge's reply: its key in rows, its label in prompts and replies, and its question."""

    key: str
    label: str
    aliases: tuple[str, ...] = ()
    meaning: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The label and its aliases."""
        return self.label, *self.aliases


@dataclass(frozen=True, slots=True)
class Criteria:
    """The ratings in order, the line of the verdict, and the rule from ratings to verdict."""

    ratings: tuple[Criterion, ...]
    verdict: Criterion
    required: tuple[str, ...]
    others_perfect: int

    @property
    def lines(self) -> tuple[Criterion, ...]:
        """All lines of a reply, the verdict's last."""
        return *self.ratings, self.verdict

    @property
    def others(self) -> tuple[Criterion, ...]:
        """The ratings that need not all be perfect."""
        return tuple(criterion for criterion in self.ratings if criterion.key not in self.required)


def recompute(ratings: Mapping[str, Rating], criteria: Criteria) -> Rating:
    """The verdict that follows from all ratings, by key. Raises KeyError if one is missing.

    Bad, if any rating is bad; perfect, if all required ones are perfect and enough of the others; else acceptable.
    """
    words = {criterion.key: ratings[criterion.key] for criterion in criteria.ratings}
    if "bad" in words.values():
        return "bad"
    perfect = sum(words[criterion.key] == "perfect" for criterion in criteria.others)
    if all(words[key] == "perfect" for key in criteria.required) and perfect >= criteria.others_perfect:
        return "perfect"
    return "acceptable"


def parse_criteria(text: str, where: str) -> Criteria:
    """The criteria in TOML `text`. Raises InputError with all mistakes; `where` names the file."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not TOML: {error}") from error
    if mistakes := shape_mistakes(data, "ratings", "rating", _RATING_FIELDS, _VERDICT_FIELDS) or _sense_mistakes(data):
        raise InputError("\n".join([f"{where}: these criteria cannot be used", *(f"  - {m}" for m in mistakes)]))
    verdict = data["verdict"]
    return Criteria(
        ratings=tuple(criterion_of(item) for item in data["ratings"]),
        verdict=criterion_of({"key": "verdict", **verdict}),
        required=tuple(verdict["required"]),
        others_perfect=verdict["others_perfect"],
    )


def spelling(label: str) -> str:
    """The normal form of a label: case is ignored, and blanks, hyphens and underscores are equal."""
    return re.sub(r"[ \t\xa0\u202f_-]+", " ", unicodedata.normalize("NFC", label).strip()).casefold()


def criterion_of(item: Mapping[str, Any]) -> Criterion:
    """The criterion in a checked table."""
    return Criterion(item["key"], item["label"], tuple(item.get("aliases", ())), item.get("meaning", ""))


_RATING_FIELDS = {"key": str, "label": str, "aliases": list, "meaning": str}
_VERDICT_FIELDS = {"label": str, "aliases": list, "required": list, "others_perfect": int}
_OPTIONAL = {"aliases", "meaning"}
_KINDS = {str: "string", list: "list of strings", int: "whole number"}


def shape_mistakes(
    data: Mapping[str, Any], name: str, one: str, fields: Mapping[str, type], verdict_fields: Mapping[str, type]
) -> list[str]:
    """The mistakes in the tables of a file: [[name]], each called `one` in messages, and [verdict]."""
    items, verdict = data.get(name), data.get("verdict")
    known = (name, "verdict")
    mistakes = [f"unknown key {key!r}; known are {name!r} and 'verdict'" for key in data if key not in known]
    if isinstance(items, list) and items and all(isinstance(item, dict) for item in items):
        for place, item in enumerate(items, 1):
            mistakes += field_mistakes(f"{one} {place}", item, fields)
    else:
        mistakes.append(f"needs at least one [[{name}]] table")
    if isinstance(verdict, dict):
        mistakes += field_mistakes("verdict", verdict, verdict_fields)
    else:
        mistakes.append("needs a [verdict] table")
    return mistakes


def field_mistakes(where: str, item: Mapping[str, Any], fields: Mapping[str, type]) -> list[str]:
    """The mistakes in the keys of a table and in the types of their values."""
    mistakes = [f"{where}: unknown key {key!r}; known are {', '.join(fields)}" for key in item if key not in fields]
    for key, kind in fields.items():
        if key not in item:
            mistakes += [] if key in _OPTIONAL else [f"{where}: lacks {key!r}"]
        elif type(item[key]) is not kind:
            mistakes.append(f"{where}: {key!r} should be a {_KINDS[kind]}")
        elif kind is list and not all(isinstance(part, str) for part in item[key]):
            mistakes.append(f"{where}: {key!r} should be a list of strings")
    return mistakes


def label_mistakes(items: Sequence[Mapping[str, Any]], verdict: Mapping[str, Any]) -> list[str]:
    """The mistakes in the keys and labels of the criteria and the verdict together."""
    labels = [spelling(label) for line in (*items, verdict) for label in (line["label"], *line.get("aliases", ()))]
    mistakes = [f"the key {key!r} is given twice" for key in repeated([*(item["key"] for item in items), "verdict"])]
    mistakes += [f"the label {label!r} is given twice" for label in repeated(labels)]
    return mistakes + (["a label is empty"] if not all(labels) else [])


def _sense_mistakes(data: Mapping[str, Any]) -> list[str]:
    keys = [item["key"] for item in data["ratings"]]
    required, others_perfect = data["verdict"]["required"], data["verdict"]["others_perfect"]
    optional = len(set(keys) - set(required))
    mistakes = [f"required: {key!r} is not the key of a rating" for key in required if key not in keys]
    mistakes += label_mistakes(data["ratings"], data["verdict"])
    if not 0 <= others_perfect <= optional:
        mistakes.append(f"others_perfect is {others_perfect}, but there are {optional} ratings that are not required")
    return mistakes


def repeated(names: Sequence[str]) -> list[str]:
    """The names that occur a second time."""
    return [name for i, name in enumerate(names) if name in names[:i]]
