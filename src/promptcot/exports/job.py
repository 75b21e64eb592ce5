"""Runs one export: selects the rows, the domain and the folder, and checks that it reads back.

Decides the defaults: for a run, its own domain and verifier. The other modules of this package select, split, write and
check.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptcot import domains
from promptcot.core.columns import Columns
from promptcot.core.prompts import PromptSet
from promptcot.errors import InputError, UsageError
from promptcot.exports import files, reading
from promptcot.exports.card import Described, card
from promptcot.exports.check import Checked, check
from promptcot.exports.examples import EXTRA, Reader
from promptcot.exports.files import Written
from promptcot.exports.formats import format_of
from promptcot.exports.formats.format import Format, Type
from promptcot.exports.origin import Origin, origin_of
from promptcot.exports.splits import Shares
from promptcot.grading.graders import Graders
from promptcot.pipeline.set_file import SET
from promptcot.records import Row
from promptcot.stages.solve import AS_IT_IS
from promptcot.storage.atomic import storing
from promptcot.storage.manifest import manifest, read_manifest
from promptcot.storage.paths import beside, url_of
from promptcot.storage.provenance import EXPORT_FORMAT, provenance

LIMIT = 5.0
"""The verifier's time limit for one gold, in seconds of CPU."""
CARD = "README.md"
_TOLD_EVERY = 100_000
_OF_SPLITS = "splits: "

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Export:
    """The settings of an export. `data_path` is a run directory or a file of rows, `told` the content of recipe.json.

    `license` and `language` are stated by the user, for the card. None for `domain` or `verifier` means that of the
    run, or else the default.
    """

    data_path: Path
    target: Path
    form: Format
    domain: str | None = None
    style: str | None = None
    verifier: str | None = None
    limit: float = LIMIT
    disputed: bool = False
    shares: Shares = field(default_factory=Shares)
    rows_per_shard: int | None = None
    columns: Columns = field(default_factory=Columns)
    checks: bool = False
    license: str | None = None
    language: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Exported:
    """The result; `checked` is None if no check was requested, or nothing was written."""

    written: Written
    checked: Checked | None = None


def export(asked: Export, tell: Tell) -> Exported:
    """Write the folder, and check it if requested.

    Raises UsageError for a folder that is not an export, InputError for rows without the required fields.
    """
    _check_style(asked)
    run = run_of(asked.data_path)
    recipe = (read_manifest(run) or {}) if run else {}
    if run is not None and asked.domain is None and _setting(recipe, "prompts") is None:
        raise InputError(f"{run}: it has no readable recipe.json, so its domain is unknown; name it with --prompts")
    prompts = domains.load(asked.domain or _setting(recipe, "prompts") or domains.DEFAULT)
    labelled = reading.label_of(run) if run else {}
    verifier: str = asked.verifier or labelled.get("verifier") or prompts.settings.verifier
    if next(reading.rows_of(asked.data_path, asked.form.kind, asked.columns)(), None) is None:
        raise InputError(f"{asked.data_path}: it has no rows, so there is nothing to export")
    reader = Reader(asked.form.kind, prompts, asked.style, verifier, asked.limit, asked.disputed)
    how, origin = manifest({**asked.told, "verifier": verifier}, prompts.hashes, {}), origin_of(asked.data_path)
    made, added = _provenance(asked.data_path, origin), (CARD, *asked.form.beside)
    settings = files.Settings(asked.shares, asked.rows_per_shard, how, {"set": origin.name, **made}, added)
    heard: list[str] = []

    def complete(folder: Path, written: Written) -> None:
        _write_texts(folder, {**asked.form.beside, CARD: card(origin, _described(asked, written, made, heard))})

    def listen(line: str) -> None:
        heard.append(line)
        tell(line)

    with _rows(asked, run, prompts, verifier, tell) as rows:
        written = files.write(_telling(rows, tell), reader, asked.form, asked.target, settings, listen, complete)
    if not (asked.checks and written.counts.rows_out):
        return Exported(written)
    paths = {split: [asked.target / shard.name for shard in shards] for split, shards in written.files.items()}
    return Exported(written, check(asked.form, paths, verifier=verifier, limit=asked.limit))


def _check_style(asked: Export) -> None:
    """Raises UsageError for a raw prompt in a layout with messages, to which the model's own template is applied."""
    if asked.style in (None, AS_IT_IS) or asked.form.one_text:
        return
    texts = [layout for layout in asked.form.layouts if format_of(asked.form.name, layout).one_text]
    hint = (
        f"this layout has messages; --layout {' or '.join(texts)}"
        if texts
        else f"{asked.form.name} reads messages only"
    )
    raise UsageError(f"style {asked.style} makes a prompt of one text, and {hint}")


def run_of(path: Path) -> Path | None:
    """The run directory: the path itself, or the directory of the set in the path."""
    if url_of(path) is not None:
        return None
    if path.name == SET and path.is_file():
        return path.parent if (path.parent / "recipe.json").is_file() else None
    return path if (path / SET).is_file() else None


@contextmanager
def _rows(asked: Export, run: Path | None, prompts: PromptSet, verifier: str, tell: Tell) -> Iterator[reading.Rows]:
    """The rows, and for a run the pairs of their traces, kept temporarily in a folder beside the output."""
    if run is None or asked.form.kind != "pairs":
        yield reading.rows_of(asked.data_path, asked.form.kind, asked.columns)
        return
    with Graders(limit=asked.limit, named=verifier) as graders:
        yield reading.with_pairs(run, prompts, graders, beside(asked.target, "labels"), tell, asked.shares.seed)


def _telling(rows: reading.Rows, tell: Tell) -> reading.Rows:
    """The same rows, with progress messages."""

    def reported() -> Iterator[Row]:
        source = rows()
        for number in itertools.count():
            some = itertools.islice(source, _TOLD_EVERY)
            first = next(some, None)
            if first is None:
                return
            if number:
                tell(f"export: {number * _TOLD_EVERY:,} rows read")
            yield first
            yield from some

    return reported


def _write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    with storing(folder):
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")


def _described(asked: Export, written: Written, made: Mapping[str, Any], heard: Sequence[str]) -> Described:
    """The description of the files for the card."""
    shards = {split: list(its) for split, its in written.files.items()}
    return Described(
        to=asked.form.name,
        kind=asked.form.kind,
        rows=dict(written.rows.items()),
        files={split: [shard.name for shard in its] for split, its in shards.items()},
        made=made,
        framework=f"{asked.form.source.framework} {asked.form.source.version}",
        left_out=written.counts.dropped,
        sizes={shard.name: shard.bytes for its in shards.values() for shard in its},
        split_by=" ".join(_sentence(line.removeprefix(_OF_SPLITS)) for line in heard if _OF_SPLITS in line) or None,
        license=asked.license,
        language=asked.language,
        columns={name: _type_name(kind) for name, kind in asked.form.schema(EXTRA).items()},
    )


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:]}."


def _type_name(kind: Type) -> str:
    """The type of a column, for display."""
    if isinstance(kind, str):
        return kind
    if isinstance(kind, tuple):
        return f"list of {_type_name(kind[0])}"
    return f"object ({', '.join(kind)})"


def _setting(recipe: Mapping[str, Any], key: str) -> Any:
    """The value of a key in the run's recipe; None without a run."""
    found = recipe.get("recipe")
    return found.get(key) if isinstance(found, dict) else None


def _provenance(path: Path, origin: Origin) -> dict[str, Any]:
    """The origin of the rows: hashes of the recipe and of the file, and the command."""
    data = {} if url_of(path) is not None else {reading.file_of(path).name: reading.file_of(path)}
    return provenance(origin.manifest, data, EXPORT_FORMAT)
