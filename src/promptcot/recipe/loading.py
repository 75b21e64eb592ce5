"""Loads TOML into a checked `Recipe`.

Decides where shipped recipes are found, how `--set a.b=v` changes one, and how mistakes are reported: all of them at
once, an unknown key with the nearest known one.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from promptcot import domains
from promptcot.core.domains import Domain
from promptcot.core.sections import cut, explain
from promptcot.errors import RecipeError
from promptcot.recipe import addresses
from promptcot.recipe.recipe import SET_STEPS, Recipe
from promptcot.recipe.schema import Served
from promptcot.redaction import MASK, is_named_like_key, is_variable, looks_like_key
from promptcot.storage.sources import is_file, open_file, shown

_DEEPEST = 50
"""The most nested tables and lists in a recipe. No recipe needs ten, and Python fails at a thousand."""
_URLS = re.compile(r"\w+://[^\"'\s,]+")
_VALUES = re.compile(r"([\w-]+)[\"']?\s*[=:]\s*([^,}]+)")
SHIPPED = Path(__file__).parents[1] / "recipes"


Parsed = TypeVar("Parsed", bound=BaseModel)


def load(name_or_path: str, changes: Sequence[str] = (), overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a file (`….toml`) or of a shipped name, changed by `a.b=v` texts and then by `overrides`.

    `overrides` maps dotted keys to values; None means unchanged. Raises RecipeError with all mistakes.
    """
    where, table = read_table(name_or_path, SHIPPED, changes, overrides)
    if "chain" in table:
        raise RecipeError(
            where,
            [f"this is a chain of commands, not one run of the pipeline: see `promptcot run {name_or_path} --dry-run`"],
        )
    return parse(table, where)


def read_table(
    name_or_path: str, folder: Path, changes: Sequence[str] = (), overrides: Mapping[str, Any] | None = None
) -> tuple[str, dict[str, Any]]:
    """The source of a recipe, and its changed table, not yet checked. `folder` holds the shipped recipes.

    Raises RecipeError.
    """
    where, table = _read(name_or_path, folder)
    _refuse_depth(where, table)
    where = f"{where} with {', '.join(f'--set {_shown(change)}' for change in changes)}" if changes else where
    return where, with_changes(table, changes, overrides)


def with_changes(
    table: Mapping[str, Any], changes: Sequence[str] = (), overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A copy of a recipe's table, changed by `a.b=v` texts and then by `overrides`. Raises RecipeError."""
    _refuse_depth("recipe", table)
    changed: dict[str, Any] = _copied(table)
    for change in changes:
        _apply(changed, *_parse_change(change))
    for key, value in (overrides or {}).items():
        if value is not None:
            _apply(changed, key, value)
    _refuse_depth("--set", changed)
    return changed


def _refuse_depth(where: str, table: Mapping[str, Any]) -> None:
    """Raises RecipeError for tables that are nested so deeply that later code would fail."""
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        inner = (one.values() if isinstance(one, Mapping) else one for one in level)
        level = [part for parts in inner for part in parts if isinstance(part, (Mapping, list, tuple))]
        if not level:
            return
    raise RecipeError(where, [f"its tables and lists are more than {_DEEPEST} levels deep"])


def _copied(value: Any) -> Any:
    """A copy of nested tables and lists; other values are shared."""
    if isinstance(value, Mapping):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list) else value


def parse(table: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A checked recipe from a TOML table. Raises RecipeError with all mistakes."""
    return parse_as(Recipe, _with_concepts(with_sampling(_spread_server(_with_defaults(table)))), where)


def _with_defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with an empty section for each step that is only switched on (`--set dedup=true`)."""
    return {**table, **{name: {} for name in SET_STEPS if table.get(name) is True}}


def parse_as(section: type[Parsed], table: Mapping[str, Any], where: str) -> Parsed:
    """A checked section from a TOML table. Raises RecipeError with all mistakes."""
    try:
        return section.model_validate(table)
    except ValidationError as error:
        raise RecipeError(where, list(_mistakes(error, section))) from error


def with_sampling(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with the sizes and levels of its domain, where `[sample]` does not set them.

    If the domain does not exist, the table is unchanged; loading the prompts reports the error. Raises RecipeError for
    a `domain.toml` with mistakes.
    """
    sample, domain = table.get("sample", {}), _domain_of(table)
    if domain is None or not isinstance(sample, Mapping):
        return dict(table)
    return {**table, "sample": {"size": list(domain.sizes), "levels": list(domain.levels), **sample}}


def _with_concepts(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with the concepts of its domain, where it names none itself."""
    concepts, domain = table.get("concepts", {}), _domain_of(table)
    if domain is None or domain.concepts is None or not isinstance(concepts, Mapping):
        return dict(table)
    return {**table, "concepts": {"path": domain.concepts, **concepts}}


def _domain_of(table: Mapping[str, Any]) -> Domain | None:
    name = table.get("prompts", domains.DEFAULT)
    return domains.settings(name) if isinstance(name, str) and domains.exists(name) else None


def _mistakes(error: ValidationError, section: type[BaseModel]) -> Iterator[str]:
    """One line for each mistake; a mistake in `[server]` is not repeated for each section that inherits its keys."""
    mistakes = error.errors()
    common = [(mistake["loc"][1:], mistake["msg"]) for mistake in mistakes if mistake["loc"][:1] == ("server",)]
    for mistake in mistakes:
        places = (mistake["loc"][1:], mistake["loc"][2:])
        if mistake["loc"][:1] == ("server",) or not any((place, mistake["msg"]) in common for place in places):
            yield explain(mistake, section)


def _spread_server(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with the keys of `[server]` copied into each section with a model that does not set them."""
    server = table.get("server")
    if not isinstance(server, Mapping):
        return dict(table)
    judges = table.get("judge")
    spread: dict[str, Any] = {name: _under(server, table.get(name, {})) for name in ("encode", "generate")}
    if isinstance(table.get("step"), list):
        spread["step"] = [_own_under(server, step) for step in table["step"]]
    spread["judge"] = [_under(server, judge) for judge in judges] if isinstance(judges, list) else judges
    spread |= {name: _under(server, table[name]) for name in ("verify", "solve") if name in table}
    spread |= {name: _semantic_under(server, table[name]) for name in ("dedup", "decontaminate") if name in table}
    return {**table, **spread}


def _own_under(server: Mapping[str, Any], step: Any) -> Any:
    """A custom step with the keys of `[server]`, if it has a model."""
    asks = isinstance(step, Mapping) and isinstance(step.get("model"), Mapping)
    return {**step, "model": _under(server, step["model"])} if asks else step


def _semantic_under(server: Mapping[str, Any], section: Any) -> Any:
    """A section whose models for vectors and for confirming matches, if any, get the keys of `[server]` too."""
    if not isinstance(section, Mapping):
        return section
    named = {name: section[name] for name in ("semantic", "confirm") if section.get(name)}
    models = {name: {"model": keys} if isinstance(keys, str) else keys for name, keys in named.items()}
    return {**section, **{name: _under(server, model) for name, model in models.items()}}


def _under(server: Mapping[str, Any], section: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    known = {key: value for key, value in server.items() if key in Served.model_fields}
    if ":" in str(section.get("engine", "")):
        known.pop("base_url", None)  # a custom engine does not use the server's address
    return {**known, **section}


def shipped(folder: Path = SHIPPED) -> list[str]:
    """The names of the recipes that come with the package."""
    return sorted(path.stem for path in folder.glob("*.toml"))


def _read(name_or_path: str, folder: Path) -> tuple[str, dict[str, Any]]:
    path = Path(name_or_path) if name_or_path.endswith(".toml") else folder / f"{name_or_path}.toml"
    if not is_file(path):
        near = difflib.get_close_matches(name_or_path, shipped(folder), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise RecipeError(
            name_or_path, [f"no such file, and no shipped recipe of this name ({', '.join(shipped(folder))}){hint}"]
        )
    try:
        with open_file(path) as file:
            return shown(path), tomllib.loads(file.read().decode())
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a bad date, thousands of digits or brackets
        raise RecipeError(str(path), [f"not TOML: {cut(str(error))}"]) from error


_HANDED_ON = ("engine_args", "set")
"""Keys whose values are options of other programs, in which a secret can have any form."""


def _shown(change: str) -> str:
    """A change as messages show it: without keys and without passwords in URLs."""
    key, equals, text = change.partition("=")
    urls = [text, *_URLS.findall(text)] if key.endswith("base_url") else _URLS.findall(text)
    values = [(key.rpartition(".")[2].strip(), text), *_VALUES.findall(text)]
    hidden = values[0][0] in _HANDED_ON or any(_is_key(name, value.strip().strip("\"'")) for name, value in values)
    return f"{key}{equals}{MASK}" if hidden or any(map(addresses.has_secret, urls)) else change


def _is_key(name: str, value: str) -> bool:
    """Whether the value of a recipe's key is a secret, for example one typed in place of a variable's name."""
    return not is_variable(value) if name == "api_key_env" else is_named_like_key(name) or looks_like_key(value)


def _parse_change(change: str) -> tuple[str, Any]:
    key, equals, text = change.partition("=")
    if not (equals and key.strip()):
        raise RecipeError("--set", [f"{change!r}: write it as key=value, for example generate.temperature=0.8"])
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        value = text  # a bare word is a string, and so is a malformed number
    return key.strip(), value


def _apply(table: dict[str, Any], dotted: str, value: Any) -> None:
    """Set `a.b.0.c` in nested tables and lists; missing tables are created."""
    place: Any = table
    keys = dotted.split(".")
    while True:
        key: Any
        key, rest = _entry(place, keys, dotted) if isinstance(place, list) else (keys[0], keys[1:])
        if not rest:
            break
        place = place[key] if isinstance(place, list) else place.setdefault(key, {})
        if not isinstance(place, (dict, list)):
            raise RecipeError("--set", [f"{dotted}: {key} is a value, not a table"])
        keys = rest
    place[key] = value


def _entry(items: list[Any], keys: list[str], dotted: str) -> tuple[int, list[str]]:
    """The entry of a list, by its position or its `name`, which may contain dots; and the remaining keys."""
    if keys[0].isdecimal() and int(keys[0]) < len(items):
        return int(keys[0]), keys[1:]
    named = {
        str(item["name"]): place for place, item in enumerate(items) if isinstance(item, Mapping) and "name" in item
    }
    for end in range(len(keys), 0, -1):
        if (place := named.get(".".join(keys[:end]))) is not None:
            return place, keys[end:]
    or_names = f", nor one of the names {', '.join(named)}" if named else ""
    raise RecipeError("--set", [f"{dotted}: {keys[0]!r} is not one of the positions 0 to {len(items) - 1}{or_names}"])
