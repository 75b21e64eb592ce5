"""What a run is told to do: TOML in, a checked and complete `Recipe` out.

Decides which keys exist, their defaults and bounds, where shipped recipes are found, and how `--set a.b=v` changes one.
All mistakes are reported together, an unknown key with the nearest known one. Nothing is opened or loaded here.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from promptcot.core.prompt_like import LEVELS
from promptcot.errors import RecipeError
from promptcot.records import Sampling

SHIPPED = Path(__file__).parent / "recipes"

Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Positive = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Section):
    """How much a run may do: stop at `target` accepted problems, or after `max_candidates` combinations."""

    target: Positive | None = None
    max_candidates: Positive | None = None
    concurrency: Positive = 64

    @property
    def candidates(self) -> int:
        """The most combinations to sample: what is given; else 1,000 for each problem of the target; else 64."""
        return self.max_candidates or (1000 * self.target if self.target else 64)


class Concepts(_Section):
    """Where seed combinations come from: a file, or `nano` for the catalogue that ships."""

    path: str = "nano"


class Encode(_Section):
    """What turns concepts into vectors; `path` names vectors that exist already, and then no model is asked."""

    model: str = "nano"
    tokenizer: str | None = None
    dtype: Dtype = "auto"
    path: str | None = None


class Sample(_Section):
    """How combinations are drawn. Several sizes are drawn uniformly."""

    size: Annotated[list[Positive], Field(min_length=1)] = [5]
    temperature: Annotated[float, Field(gt=0)] = 0.2
    counts: Literal["raw", "log1p"] = "raw"
    levels: Annotated[list[str], Field(min_length=1)] = list(LEVELS)
    prompt_like: str | None = None

    @field_validator("size", mode="before")
    @classmethod
    def _one_size(cls, size: Any) -> Any:
        return size if isinstance(size, list) else [size]


class Model(_Section):
    """A model that is asked, and how tokens are drawn from it."""

    model: str = "nano"
    tokenizer: str | None = None
    dtype: Dtype = "auto"
    chat: bool = False
    temperature: Annotated[float, Field(ge=0)] = 0.6
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0
    max_tokens: Positive = 4096

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.temperature, self.top_p, self.repetition_penalty, self.max_tokens)


class Judge(Model):
    """A judge: a model with a name, under which its verdicts are filed."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]


class Filter(_Section):
    """What is kept: problems that all judges call perfect, or else those with one perfect verdict and no bad one."""

    only_perfect: bool = True


class Recipe(_Section):
    """One run, complete."""

    name: str = "unnamed"
    seed: Annotated[int, Field(ge=0)] = 8000
    prompts: str = "math"
    run: Limits = Limits()
    concepts: Concepts = Concepts()
    encode: Encode = Encode()
    sample: Sample = Sample()
    generate: Model = Model(temperature=1.0)
    judge: Annotated[list[Judge], Field(min_length=1)]
    filter: Filter = Filter()

    @field_validator("judge")
    @classmethod
    def _names_differ(cls, judges: list[Judge]) -> list[Judge]:
        names = [judge.name for judge in judges]
        if len(set(names)) < len(names):
            raise ValueError(f"two judges have the same name ({', '.join(names)})")
        return judges


def load(name_or_path: str, changes: Sequence[str] = (), overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of that file (`….toml`) or shipped name, changed by `a.b=v` texts and then by `overrides`.

    `overrides` maps dotted keys to values; None means unchanged. Raises RecipeError with all mistakes.
    """
    where, table = _read(name_or_path)
    where = f"{where} with {', '.join(f'--set {change}' for change in changes)}" if changes else where
    for change in changes:
        _apply(table, *_parse_change(change))
    for key, value in (overrides or {}).items():
        if value is not None:
            _apply(table, key, value)
    return parse(table, where)


def parse(table: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A checked recipe from a TOML table. Raises RecipeError with all mistakes."""
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        raise RecipeError(where, [_explain(mistake) for mistake in error.errors()]) from error


def shipped() -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def _read(name_or_path: str) -> tuple[str, dict[str, Any]]:
    path = Path(name_or_path) if name_or_path.endswith(".toml") else SHIPPED / f"{name_or_path}.toml"
    if not path.is_file():
        near = difflib.get_close_matches(name_or_path, shipped(), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise RecipeError(
            name_or_path, [f"no such file, and no shipped recipe of this name ({', '.join(shipped())}){hint}"]
        )
    try:
        return str(path), tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(str(path), [f"not TOML: {error}"]) from error


def _parse_change(change: str) -> tuple[str, Any]:
    key, equals, text = change.partition("=")
    if not (equals and key.strip()):
        raise RecipeError("--set", [f"{change!r}: write it as key=value, for example generate.temperature=0.8"])
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    return key.strip(), value


def _apply(table: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `a.b.0.c` in nested tables and lists; tables that do not exist yet are made."""
    *parents, last = dotted.split(".")
    place: Any = table
    for key in parents:
        if not isinstance(place, (dict, list)):
            raise RecipeError("--set", [f"{dotted}: what stands before {key} is a value, not a table"])
        place = _item(place, key, dotted) if isinstance(place, list) else place.setdefault(key, {})
    if isinstance(place, list):
        _item(place, last, dotted)
        place[int(last)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise RecipeError("--set", [f"{dotted}: {parents[-1]} is a value, not a table"])


def _item(items: list[Any], key: str, dotted: str) -> Any:
    if not (key.isdigit() and int(key) < len(items)):
        raise RecipeError("--set", [f"{dotted}: {key!r} is not one of the positions 0 to {len(items) - 1}"])
    return items[int(key)]


def _explain(mistake: Any) -> str:
    """One line for one mistake, with the dotted key and, for an unknown key, the nearest known one."""
    location = [str(part) for part in mistake["loc"]]
    where = ".".join(location)
    if mistake["type"] != "extra_forbidden":
        given = "" if mistake["type"] == "missing" else f" (it is {mistake['input']!r})"
        return f"{where}: {mistake['msg']}{given}"
    known = list(_fields_at(location[:-1]))
    near = difflib.get_close_matches(location[-1], known, 1)
    return f"{where}: unknown key" + (f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}")


def _fields_at(location: Sequence[str]) -> Mapping[str, FieldInfo]:
    section: type[BaseModel] = Recipe
    for part in location:
        if part in section.model_fields:
            section = _section_of(section.model_fields[part].annotation) or section
    return section.model_fields


def _section_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_of(part))), None)
