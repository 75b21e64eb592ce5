"""TOML tables as checked sections: complete and without unknown keys, and the wording of mistakes.

Subclasses declare the keys: recipes in `promptcot.recipe`, domains in `core.domains`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from promptcot.redaction import is_named_like_key

_LONGEST = 200
"""The most characters of a value that a message shows."""
SECRET = "secret"
"""The type of a mistake whose value must not be shown."""
Positive = Annotated[int, Field(gt=0, lt=2**63)]
"""A whole number above 0 that fits into a signed 64-bit integer."""
NotEmpty = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A table that people write: complete, checked, without unknown keys. All texts in it can be written as UTF-8."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, given: Any) -> Any:
        for name, value in given.items() if isinstance(given, Mapping) else ():
            if _holds_surrogate(name) or _holds_surrogate(value):
                raise ValueError(f"{name!a}: it contains bytes or half characters that are not UTF-8 text")
        return given


def _holds_surrogate(value: Any) -> bool:
    """Whether a text, or a text in a table or list, has lone surrogates."""
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, Mapping):
        return any(map(_holds_surrogate, value)) or any(map(_holds_surrogate, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_holds_surrogate, value))


def _fit_for_a_folder(name: str) -> str:
    parts = name.split("/")
    if not name.isprintable() or not all(part.strip(". ") and len(part.encode()) <= 200 for part in parts):
        raise ValueError(
            "this is also the name of a folder in `out`: write a word, such as my-run, of at most 200 bytes"
        )
    return name


FolderName = Annotated[str, AfterValidator(_fit_for_a_folder)]
"""The name of a recipe and of its default folder."""


def cut(text: str) -> str:
    """The beginning of a text that may be long."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def explain(mistake: Any, section: type[BaseModel]) -> str:
    """One line for one of pydantic's mistakes: the dotted key and, for an unknown key, the nearest known one."""
    location = [str(part) for part in mistake["loc"]]
    where = ".".join(location)
    if mistake["type"] != "extra_forbidden":
        secret = mistake["type"] == SECRET or any(part == "api_key_env" or is_named_like_key(part) for part in location)
        shown = mistake["type"] != "missing" and not secret and not isinstance(mistake["input"], (dict, BaseModel))
        given = f" (it is {cut(repr(mistake['input']))})" if shown else ""
        return f"{where or 'recipe'}: {_wording(mistake)}{given}"
    known = list(_fields_at(section, location[:-1]))
    begun = [key for key in known if key.startswith(location[-1])]
    near = begun or difflib.get_close_matches(location[-1], known, 1)
    return f"{where}: unknown key" + (f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}")


def _wording(mistake: Any) -> str:
    """The mistake in terms of TOML and JSON, which have lists and no tuples."""
    said = str(mistake["msg"])
    return (
        said.replace("valid tuple", "valid list")
        if mistake["type"] == "tuple_type"
        else said.removeprefix("Value error, ")
    )


def _fields_at(section: type[BaseModel], location: Sequence[str]) -> Mapping[str, FieldInfo]:
    for part in location:
        if part in section.model_fields:
            section = _section_of(section.model_fields[part].annotation) or section
    return section.model_fields


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_of(part))), None)
