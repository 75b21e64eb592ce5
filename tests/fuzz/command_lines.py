"""Invalid command lines, one for each seed: options, rows, recipes, `--set`, steps, replies.

`trial(seed, folder)` fills a folder with inputs and gives the command line; what must hold when it runs is decided in
`tests.fuzz.trying`. A command line is a good one, for each verb, of which one thing is then distorted.
"""

from __future__ import annotations

import json
import os
import random
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from promptcot.cli.parameters import LocalPath, Target
from promptcot.cli.root import VERBS, root
from promptcot.errors import PromptCoTError
from promptcot.recipe.loading import SHIPPED
from tests.fuzz import odd
from tests.fuzz.good import BASES, OURS, ROWS, SMALL, fill
from tests.mutations import mutated

_RECIPES = {"": ["run", "plan", "doctor"], "eval": ["eval"], "train": ["train"]}
_TAKE_RECIPE = {
    "run": lambda recipe: ["run", recipe, "--max-candidates", "3", "--output-dir", "out", "--dry-run"],
    "plan": lambda recipe: ["plan", recipe, *BASES["plan"][0][2:]],
    "doctor": lambda recipe: ["doctor", recipe, "--no-trial"],
    "eval": lambda recipe: ["eval", recipe, "--limit-rows", "1", "--output-dir", "out", "--dry-run"],
    "train": lambda recipe: ["train", recipe, "--dry-run", "--output-dir", "out"],
}


@dataclass(frozen=True)
class Trial:
    """A command line in a folder, and the name of its kind."""

    kind: str
    arguments: list[str]


def trial(seed: int, folder: Path, kinds: Sequence[str] = ()) -> Trial:
    """The command line of that seed, one of `kinds` or of all, and its inputs, which are written into `folder`."""
    draws = random.Random(seed)
    fill(folder)
    kind = draws.choice(kinds or [name for name, often in SHARES.items() for _ in range(often)])
    return Trial(kind, _MAKERS[kind](draws, folder))


def verbs() -> Iterator[tuple[list[str], click.Command]]:
    """All commands with the words that call them, those of groups too."""
    context = click.Context(root)
    for verb in VERBS:
        command = root.get_command(context, verb)
        if isinstance(command, click.Group):
            yield from (([verb, name], one) for name, one in command.commands.items())
        elif command is not None:
            yield [verb], command


def reads(arguments: Sequence[str], folder: Path) -> set[str]:
    """The files among `ROWS` that a command line reads in that folder, which it must leave as they are."""
    found = next((one for one in verbs() if one[0] == list(arguments[: len(one[0])])), None)
    names = [f"{name}.jsonl" for name in ROWS]
    if found is None:
        return set(names)
    words, command = found
    try:
        with chdir(folder):
            above = click.Context(root, **root.context_settings)
            context = command.make_context(words[-1], list(arguments[len(words) :]), parent=above)
    except (click.ClickException, click.exceptions.Exit, PromptCoTError):
        return set(names)  # nothing runs
    written = {str(one.name) for one in command.params if isinstance(one.type, Target) and one.type.kind != "read"}
    values = repr([value for name, value in context.params.items() if name not in written])
    return {name for name in names if name in values or ("judged-{}" in values and name.startswith("judged-"))}


def _options(draws: random.Random, folder: Path) -> list[str]:
    """A good command line with values that its verb's options were not made for."""
    words, command = draws.choice(list(verbs()))
    fitting = [base for base in BASES[words[0]] if base[: len(words)] == words]
    arguments = list(draws.choice(fitting))
    options = [param for param in command.params if isinstance(param, click.Option)]
    for _ in range(draws.choice([1, 1, 2, 3]) if options else 0):
        arguments += _odd_option(draws.choice(options), draws)
    if draws.random() < 0.05:
        arguments.insert(draws.randrange(len(arguments) + 1), draws.choice(odd.TEXTS))
    return arguments


def _odd_option(option: click.Option, draws: random.Random) -> list[str]:
    if option.name in ("help", "trial"):
        return []
    name = max(option.opts, key=len)
    name = name.replace("-", "_").replace("__", "--", 1) if draws.random() < 0.2 else name
    if option.is_flag:
        return [name]
    values = [_odd_for(option, draws) for _ in range(option.nargs)]
    if option.nargs == 1 and draws.random() < 0.3:
        return [f"{name}={values[0]}"]
    return [name, *values]


def _odd_for(option: click.Option, draws: random.Random) -> str:
    if draws.random() < 0.05:
        return str(draws.choice([*odd.TEXTS, *odd.NUMBERS]))
    if option.name == "changes":
        return _change(draws, draws.choice(_shipped())[1])
    if isinstance(option.type, LocalPath) or option.name in ("data_path", "template", "eval_recipe", "benchmark"):
        return str(draws.choice([*odd.PATHS, *(f"{name}.jsonl" for name in ROWS)]))
    if special := odd.ODD_OPTION.get(str(option.name)):
        return str(draws.choice(special))
    if isinstance(option.type, click.Choice):
        return str(draws.choice([*option.type.choices, *odd.TEXTS[:6]]))
    return str(draws.choice(odd.TEXTS if option.type is click.STRING else odd.NUMBERS))


def _rows(draws: random.Random, folder: Path) -> list[str]:
    """A good command line over rows that are distorted, as values or as bytes, in one of the formats."""
    without_rows = ("run", "init", "eval", "plan", "doctor", "mock-server")
    verb = draws.choice([verb for verb in BASES if verb not in without_rows])
    arguments = list(draws.choice(BASES[verb]))
    used = [name for name in ROWS if f"{name}.jsonl" in arguments] or ["judged-0"]
    name = draws.choice(used)
    rows = [odd.distort(row, draws, odd.IN_JSON) if draws.random() < 0.6 else row for row in ROWS[name]]
    suffix = draws.choice([".jsonl", ".jsonl", ".jsonl.zst", ".parquet"])
    data = _as_bytes(rows, suffix)
    if draws.random() < 0.4:
        data = mutated(data, draws)
    if draws.random() < 0.03:
        data = data[: draws.randrange(len(data) + 1)] + draws.choice([b"[", b'{"a":']) * 100_000
    (folder / f"{name}.jsonl").unlink()
    (folder / f"{name}{suffix}").write_bytes(data)
    pattern = (f"{name}.jsonl", f"{name}{suffix}")
    return [argument.replace(*pattern) if "{" not in argument else argument for argument in arguments]


def _as_bytes(rows: list[dict[str, Any]], suffix: str) -> bytes:
    if suffix == ".parquet":
        sink = pa.BufferOutputStream()
        try:
            pq.write_table(pa.Table.from_pylist(rows), sink)
        except (pa.ArrowException, OverflowError, UnicodeError, ValueError, TypeError):
            pq.write_table(pa.Table.from_pylist([{"text": repr(row)[:99]} for row in rows]), sink)
        return bytes(sink.getvalue())
    text = "\n".join(json.dumps(row, default=str) for row in rows).encode()
    return zstandard.compress(text) if suffix == ".jsonl.zst" else text


def _shipped() -> list[tuple[str, dict[str, Any]]]:
    """The recipes that ship, with the folder that each is from."""
    found = [(folder, path) for folder in _RECIPES for path in sorted((SHIPPED / folder).glob("*.toml"))]
    return [(folder, tomllib.loads(path.read_text())) for folder, path in found]


def _recipe(draws: random.Random, folder: Path) -> list[str]:
    """A command with a recipe that is distorted: as a table, as bytes, or as a whole."""
    kind, table = draws.choice(_shipped())
    if "nano" in str(table["name"]) and kind != "train":
        table = _with_our_engines(table)
    text = odd.toml(odd.distort(table, draws, odd.IN_TOML) if draws.random() < 0.8 else table)
    data = text.encode(errors="replace")
    name = draws.choice(["mine.toml"] * 8 + ["é.toml", "a b.toml", ".toml", "mine", "m.TOML"])
    how = draws.random()
    if how < 0.3:
        data = mutated(data, draws)
    elif how < 0.45:
        data = draws.choice(_WHOLES)(text)
    if how < 0.02:
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(data)
    arguments = list(_TAKE_RECIPE[draws.choice(_RECIPES[kind])](name))
    if arguments[0] in ("run", "eval") and table["name"] == "nano" and draws.random() < 0.5:
        arguments.remove("--dry-run")
    return arguments


def _with_our_engines(table: dict[str, Any]) -> dict[str, Any]:
    """The recipe of a run or an evaluation, answered by our engine."""
    for section in (table.get("generate", {}), table.get("model", {}), *table.get("judge", [])):
        section["engine"] = OURS[1]
    return {**table, "encode": {"skip": True}} if "encode" in table else table


_WHOLES: list[Callable[[str], bytes]] = [
    lambda text: text.encode("utf-16"),
    lambda text: b"\xef\xbb\xbf" + text.encode(),
    lambda text: bytes(range(256)) * 40,
    lambda text: text.encode() + b"\n# " + b"x" * 10_000_000,
    lambda text: text.encode() + b"\nlong = '" + b"x" * 1_000_000 + b"'",
    lambda text: b"",
    lambda text: b"\x00" * 100,
    lambda text: text.encode() + b"\ndeep = " + b"[" * 5000 + b"]" * 5000,
    lambda text: text.encode() + b"\n" + b"a." * 5000 + b"a = 1",
    lambda text: text.replace("\n", "\r").encode(),
    lambda text: text.encode() + b"\nhuge = " + b"9" * 5000,
    lambda text: text.encode() + b"\ndate = 0000-00-00",
]


def _set(draws: random.Random, folder: Path) -> list[str]:
    """A shipped recipe, with changes."""
    verb = draws.choice(list(_TAKE_RECIPE))
    kind = next(kind for kind, takers in _RECIPES.items() if verb in takers)
    paths = sorted((SHIPPED / kind).glob("*.toml"))
    path = draws.choice([*paths, *(path for path in paths for _ in range(4) if "nano" in path.name)])
    table = tomllib.loads(path.read_text())
    changes = [f"--set={_change(draws, table)}" for _ in range(draws.choice([1, 1, 2, 3]))]
    return [*_TAKE_RECIPE[verb](path.stem), *changes]


_UNSET = [
    "run.max_cost",
    "run.target",
    "generate.stop",
    "generate.price.prompt",
    "generate.extra_body.n",
    "server.price",
]
_UNSET += [
    "step",
    "step.0",
    "judge.2",
    "judge.99",
    "judge.-1",
    "plan.gpu_hour",
    "plan.rates.x",
    "encode.path",
    "generate.omit",
]
_UNSET += [
    "",
    ".",
    "a..b",
    "run.",
    ".run",
    "model.architecture",
    "method.lora",
    "data.columns",
    "problems.path",
    "judge.é",
]


def _change(draws: random.Random, table: dict[str, Any]) -> str:
    """A change of one key, as it is typed after `--set`."""
    keys = [*(key for key, _ in _dotted(table)), *_UNSET]
    key = draws.choice(keys)
    special = odd.ODD_OPTION.get(key.rpartition(".")[2], odd.PATHS)
    in_toml = odd._in_toml(odd.odd_value(draws, odd.IN_TOML)).replace("\x00", "")
    value = draws.choice([in_toml, in_toml, draws.choice(odd.NUMBERS), draws.choice(odd.TEXTS), draws.choice(special)])
    return f"{key}={value}"[:100_000]


def _dotted(table: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    keys = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    for key, value in keys:
        yield f"{above}{key}", value
        yield from _dotted(value, f"{above}{key}.")


def _own(draws: random.Random, folder: Path) -> list[str]:
    """A run with a step or an engine of the user's own: some are good, some fail in one of many ways."""
    module = f"own_{draws.randrange(10**9)}"
    (folder / f"{module}.py").write_bytes(draws.choice(_MODULES).encode())
    uses = [*odd.STEPS * 4, f"{module}:Step", f"{module}:name", module, *odd.OBJECTS]
    step = {"name": draws.choice(["mine"] * 40 + ["filter", "x y", ""]), "use": draws.choice(uses)}
    step |= {"options": {"a": 1}} if draws.random() < 0.1 else {}
    step |= (
        {"after": draws.choice(["generate", "filter", "sample", "sample", "nothing", ""])}
        if draws.random() < 0.4
        else {}
    )
    step |= {"at_end": True} if draws.random() < 0.3 else {}
    if draws.random() < 0.3:
        step |= {"model": {"engine": draws.choice(odd.OPENERS)}, "use": "tests.fuzz.replying:Stage"}
    table = _with_our_engines(tomllib.loads((SHIPPED / "nano.toml").read_text())) | {"step": [step]}
    if draws.random() < 0.2:
        section = draws.choice([table["generate"], *table["judge"]])
        section["engine"] = draws.choice([*odd.OPENERS, f"{module}:Step"])
    (folder / "mine.toml").write_bytes(odd.toml(table).encode(errors="replace"))
    end = [[], [], [], ["--dry-run"]][draws.randrange(4)]
    return ["run", "mine.toml", *SMALL, *end] if draws.random() < 0.9 else ["doctor", "mine.toml"]


_MODULES = [
    "raise RuntimeError('no\\x1b[31m')",
    "import sys; sys.exit(2)",
    "raise KeyboardInterrupt",
    "def Step(",
    "import nosuch.module",
    "Step = 3\nname = 'x'",
    "def Step(): raise ValueError('x' * 10000)\nname = Step",
    "class Step:\n    def apply(self): pass\n    def finish(self): pass",
    "class Step:\n    def apply(self, row): return iter([row])\n    def finish(self): return 3",
    "class Step:\n    def __init__(self, a): pass\n    def apply(self, row): return row\n    finish = None",
    "class Meta(type):\n    def __call__(self, *a, **k): raise LookupError('no')\nclass Step(metaclass=Meta): pass",
    "def __getattr__(name): raise ValueError(name)",
    "async def Step(*a, **k): return 1",
    "\x00",
    "# -*- coding: nosuch -*-",
]


def _replies(draws: random.Random, folder: Path) -> list[str]:
    """A verb that asks a server whose answers are distorted; its address is in the environment."""
    verb = draws.choice(["extract", "explain", "encode", "generate", "judge", "solve", "run", "doctor", "eval"])
    url = f"{os.environ.get(SERVER, 'http://127.0.0.1:1')}/{draws.randrange(10**9)}/v1"
    if verb == "run":
        return ["run", "endpoint", *SMALL, "--base-url", url, *(["--model", "m"] if draws.random() < 0.5 else [])]
    base = BASES[verb][-1]
    kept = (
        [part for part in base if part not in OURS]
        if verb in ("doctor", "eval")
        else [*base[: -len(OURS)], "--max-len", "50"]
    )
    if verb == "encode":
        kept = base[: -len(OURS)]
    if verb == "eval":
        return ["eval", "endpoint", "--benchmarks", "nano", *kept[2:], "--base-url", url, "--model", "m"]
    return [*kept, "--base-url", url]


SERVER = "PROMPTCOT_FUZZ_SERVER"
"""The environment variable that holds the address of a server with distorted replies."""
SHARES = {"options": 6, "rows": 4, "recipe": 4, "set": 4, "own": 2, "replies": 2}
"""The kinds of command lines, and how often each is drawn."""
_MAKERS: dict[str, Callable[[random.Random, Path], list[str]]] = {
    "options": _options,
    "rows": _rows,
    "recipe": _recipe,
    "set": _set,
    "own": _own,
    "replies": _replies,
}
