"""Unintended values, and tables that contain them: for options, recipes, rows and arguments."""

import copy
import datetime
import json
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

NUMBERS = ["0", "-1", "1", "2", "3", "1.5", "-0.0", "nan", "inf", "-inf", "1e999", "1e-999", "1e308", "0x10", "1_000"]
NUMBERS += ["+3", "1e3", "", " ", "true", "None", "²", "１２", "١", "9" * 25, "9" * 5000, str(2**31), str(2**63)]
NUMBERS += [str(2**63 - 1), "0.9999999999999999999", "1,5", "--", "5%"]
TEXTS = [
    "",
    " ",
    "x",
    "nano",
    "mock",
    "a" * 5000,
    "\udcff",
    "ｎａｎｏ",
    "-",
    "--",
    "../..",
    "%s{}{0}{x!r}",
    "é\u0301",
    "a,b",
]
TEXTS += ["\u202eabc", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "[", "{", "a=b", "=", "a=", "=b", "None", "~", "a\nb"]
TEXTS += [
    "nano:",
    "nano:poet",
    "nano:solver",
    ":",
    "a:b",
    "\u2028",
    "\x85",
    "0",
    "😀",
    "'",
    '"',
    "\\",
    "a\tb",
    ".",
    "..",
]
PATHS = ["missing.jsonl", "folder", "folder.jsonl", "concepts.jsonl/x.jsonl", "a" * 300 + ".jsonl", "", ".", "..", "-"]
PATHS += ["/dev/null/x.jsonl", "loop.jsonl", "dangling.jsonl", "empty.jsonl", "broken.jsonl", "nosuch://x/y.jsonl", " "]
PATHS += ["memory://fuzz/x.jsonl", "file://", "s3://", "\udcff.jsonl", "new.csv", "new", ".jsonl", "~", "new/a b.jsonl"]
PATHS += ["C:\\x.jsonl", "%00", "new.jsonl.zst", "new.parquet", "new.jsonl", "new.safetensors", "x" * 5000, "new/"]
PATHS += [
    "x\ny.jsonl",
    "\x1b[31m.jsonl",
    "locked.jsonl",
    "binary.parquet",
    "not-zstandard.jsonl.zst",
    "http://[/x.jsonl",
]
URLS = ["", "http://", "http://127.0.0.1:1/v1", "ftp://x/v1", "http://[", "http://127.0.0.1:99999/v1", "127.0.0.1:1"]
URLS += [
    "http://127.0.0.1:1",
    "https://127.0.0.1:1/v1?a=b",
    "http:///v1",
    "http://127.0.0.1:-1/",
    "http://\udcff/",
    "x y",
]
URLS += [
    "http://a..b/",
    "http://" + "a" * 300 + ".invalid/v1",
    "http://127.0.0.1:1/v1#x",
    "HTTP://127.0.0.1:1/V1/",
    "//",
]
OBJECTS = ["os", "os:", ":path", "json:nothing", "json:loads", "builtins:print", "sys:exit", "nosuch:module", "a.b.c:d"]
OBJECTS += ["..:x", "json:loads.__call__", "json:__doc__", "builtins:int", "builtins:object", "collections:OrderedDict"]
OBJECTS += [
    "\udcff:x",
    "a b:c",
    "json:",
    "typing:Any",
    "tests.fuzz.replying:nothing_at_all",
    "math:pi",
    "a" * 300 + ":b",
]
OPENERS = [
    f"tests.fuzz.replying:open_{name}" for name in ("engine", "none", "raising", "leaving", "half", "wrong", "odd")
]
STEPS = [
    f"tests.fuzz.replying:{name}" for name in ("Same", "Nothing", "Raises", "Leaves", "Odd", "Late", "Stage", "made")
]
BODIES = [
    "",
    "{",
    "[]",
    "null",
    "1",
    '{"a":' * 500,
    '{"a":' * 100_000,
    '{"n": 3}',
    '{"max_tokens": 1e999}',
    '{"model": 0}',
]
BODIES += [
    '{"messages": null}',
    '{"a": NaN}',
    '{"a": "\\ud800"}',
    '{"": ""}',
    '{"stream": true}',
    '{"temperature": "hot"}',
]
SHARDS = ["1/1", "1/2", "2/2", "0/1", "2/1", "1/0", "-1/2", "1/" + "9" * 30, "1", "/", "a/b", "1/2/3", "１/２", " 1/2 "]
COLUMNS = ["problem=x", "=x", "problem=", "x=y", "problem=a,problem=b", ",", "problem", "problem=a=b", "problem=\udcff"]
SPREADS = ["1", "0", "1:2", "2:1", ":", "-1:1", "a:b", "1:2:3", "8000:8001", "9" * 30, "0:70000", "1:"]
ADDRESSES = ["127.0.0.1:1", "nowhere", ":", ""]
ODD_OPTION = {
    "base_url": URLS,
    "use": [*STEPS, *OBJECTS],
    "engine": [*OPENERS, *OBJECTS, "openai", "local", "vllm", "auto"],
    "extra_body": BODIES,
    "shard": SHARDS,
    "columns": COLUMNS,
    "actors": SPREADS,
    "server_ports": SPREADS,
    "ray_address": ADDRESSES,
    "host": ["", "127.0.0.1", "256.1.1.1", "nowhere.invalid", "::1", "\udcff", "a" * 300, "a b", "a..b"],
    "engine_args": ["", "'", "--max-model-len", "\\", "-", "--x=y z"],
    "runner": ["local", "Ray", ""],
    "model_path": ["m", "nano:solver", "nano:", "missing/model", "", "folder", "concepts.jsonl", "\udcff", "a" * 300],
    "until": ["sample", "generate", "judge-a", "filter", "judge", "", "nothing", "encode"],
}
"""Values that a certain option is likely to trip over, by the name of its parameter."""

_DEEP = [20, 100, 200]  # deeper ones are made of bytes, since this module recurs too
PLAIN: list[Any] = [
    0,
    -1,
    1,
    2,
    10**12,
    10**30,
    -(10**400),
    0.5,
    -0.0,
    1e308,
    True,
    False,
    "",
    " ",
    "nano",
    "x",
    "a" * 5000,
]
PLAIN += [
    "\x00",
    "\u2028",
    "\x1b]0;t\x07",
    "\u202e",
    "../x",
    "%s{}",
    [],
    {},
    [[]],
    [""],
    {"": ""},
    {"a": {"b": [1]}},
    [0],
]
PLAIN += [
    "nan",
    "1e999",
    "\\boxed{",
    "</think>",
    "<!-- BEGIN PROBLEM -->",
    ["a", "a"],
    ["a", 1, None],
    "\ufeff",
    "😀",
]
IN_TOML: list[Any] = [
    math.nan,
    math.inf,
    -math.inf,
    datetime.date(1, 1, 1),
    datetime.datetime(9999, 12, 31),
    datetime.time(),
]
IN_JSON: list[Any] = [None, math.nan, math.inf, "\ud800", {"\ud800": 1}]
IN_PYTHON: list[Any] = [
    None,
    b"\xff",
    object(),
    len,
    1j,
    (),
    set(),
    math.nan,
    [None],
    range(3),
    int,
    "\ud800",
    ...,
    -5,
    1.5,
]


def odd_value(draws: random.Random, more: list[Any]) -> Any:
    """A value out of place; `more` are those that the form of the table has besides."""
    if draws.random() < 0.03:
        return nested(draws.choice(_DEEP), draws.random() < 0.5)
    return copy.deepcopy(draws.choice([*PLAIN, *more, *more]))


def nested(depth: int, in_lists: bool) -> Any:
    """A list in a list in a list, or tables."""
    found: Any = 0
    for _ in range(depth):
        found = [found] if in_lists else {"a": found}
    return found


Place = tuple[Any, Any]
"""A table or list, and the key or position in it."""


def places(value: Any, depth: int = 10) -> Iterator[Place]:
    """All places in tables and lists in which a value stands, down to a depth."""
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys if depth else ():
        yield value, key
        yield from places(value[key], depth - 1)


def distort(table: dict[str, Any], draws: random.Random, more: list[Any]) -> dict[str, Any]:
    """A copy of a table with one to three values replaced, left out, renamed, wrapped, added or put elsewhere."""
    found: dict[str, Any] = json.loads(json.dumps(table))
    for _ in range(draws.choice([1, 1, 2, 3])):
        everywhere = list(places(found))
        if everywhere:
            holder, key = draws.choice(everywhere)
            draws.choice(_WAYS)(holder, key, draws, more)
    return found


def _replace(holder: Any, key: Any, draws: random.Random, more: list[Any]) -> None:
    if isinstance(holder[key], (int, float)) and draws.random() < 0.4:
        holder[key] = draws.choice([1, 2, 3, 0.5, 1.0, True])
        return
    own = [*ODD_OPTION.get(str(key), ()), *PATHS] if isinstance(holder[key], str) else NUMBERS[:6]
    holder[key] = draws.choice(own) if draws.random() < 0.3 else odd_value(draws, more)
    if isinstance(holder[key], str) and more is IN_TOML:  # TOML is UTF-8, and has no lone surrogates
        holder[key] = holder[key].encode(errors="replace").decode()


def _remove(holder: Any, key: Any, draws: random.Random, more: list[Any]) -> None:
    del holder[key]


def _rename(holder: Any, key: Any, draws: random.Random, more: list[Any]) -> None:
    if isinstance(holder, dict):
        holder[draws.choice(["", "x", f"{key}s", f" {key}", "__class__", "é", "a.b", "model"])] = holder.pop(key)


def _wrap(holder: Any, key: Any, draws: random.Random, more: list[Any]) -> None:
    holder[key] = [holder[key]] if draws.random() < 0.5 else {str(key): holder[key]}


def _add(holder: Any, key: Any, draws: random.Random, more: list[Any]) -> None:
    if isinstance(holder, list):
        holder.append(odd_value(draws, more))
    else:
        holder[draws.choice(_KEYS)] = odd_value(draws, more)


def _swap(holder: Any, key: Any, draws: random.Random, more: list[Any]) -> None:
    other = draws.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]


_KEYS = ["model", "name", "step", "chain", "price", "extra_body", "plan", "server", "id", "problem", "prompt", "answer"]
_WAYS: list[Callable[[Any, Any, random.Random, list[Any]], None]] = [_replace, _replace, _replace, _replace]
_WAYS += [_remove, _rename, _wrap, _add, _swap]


def toml(table: dict[str, Any]) -> str:
    """The table as TOML: a line for each key, tables and lists within it."""
    return "".join(f"{_quoted(str(key))} = {_in_toml(value)}\n" for key, value in table.items())


def _in_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(str(key))} = {_in_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_in_toml, value)) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
