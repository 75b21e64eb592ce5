"""Tables of TOML as checked sections: complete, without unknown keys, and how a mistake in one is worded.

Which keys a section has is decided where it is declared: recipes in `promptcot.recipe`, domains in `core.domains`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from promptcot.redaction import is_named_like_key

SECRET = "secret"
"""The type of a mistake whose value must not be shown."""
Positive = Annotated[int, Field(gt=0)]
NotEmpty = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A table that people write: complete, checked, without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


def explain(mistake: Any, section: type[BaseModel]) -> str:
    """One line for one of pydantic's mistakes: the dotted key and, for an unknown key, the nearest known one."""
    location = [str(part) for part in mistake["loc"]]
    where = ".".join(location)
    if mistake["type"] != "extra_forbidden":
        secret = mistake["type"] == SECRET or any(part == "api_key_env" or is_named_like_key(part) for part in location)
        shown = mistake["type"] != "missing" and not secret and not isinstance(mistake["input"], (dict, BaseModel))
        given = f" (it is {mistake['input']!r})" if shown else ""
        return f"{where or 'recipe'}: {mistake['msg'].removeprefix('Value error, ')}{given}"
    known = list(_fields_at(section, location[:-1]))
    begun = [key for key in known if key.startswith(location[-1])]
    near = begun or difflib.get_close_matches(location[-1], known, 1)
    return f"{where}: unknown key" + (f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}")


def _fields_at(section: type[BaseModel], location: Sequence[str]) -> Mapping[str, FieldInfo]:
    for part in location:
        if part in section.model_fields:
            section = _section_of(section.model_fields[part].annotation) or section
    return section.model_fields


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_of(part))), None)
