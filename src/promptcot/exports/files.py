"""Writes the folder of an export: data files by split, streamed, and the manifest.

Decides the names of the files, that the folder appears complete, and which files are beside it: `DIR.dropped.jsonl`
with dropped rows and reasons, `DIR.summary.json`, `DIR.recipe.json`. In = out + dropped. `examples` selects rows,
`splits` assigns splits, the format defines columns. The output does not depend on the time, so a repeated export gives
the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from promptcot.core.layouts import turns
from promptcot.errors import UsageError
from promptcot.exports.examples import EXTRA, NO_ANSWER, NO_PAIR, NO_TRACE, UNREADABLE, Example, Reader
from promptcot.exports.reading import Rows
from promptcot.exports.splits import Shares, divided
from promptcot.records import Row
from promptcot.storage.atomic import without_secrets, write_json, write_whole
from promptcot.storage.counts import StageCounts
from promptcot.storage.folders import begun, publish
from promptcot.storage.json import indented, loads
from promptcot.storage.manifest import FORMAT, installed
from promptcot.storage.paths import beside
from promptcot.storage.provenance import EXPORT_FORMAT
from promptcot.storage.tables import MOST_BYTES, Shard, Shards
from promptcot.storage.writer import RowWriter

if TYPE_CHECKING:
    from promptcot.exports.formats.format import Format, Split

EXPORT = "export.json"
"""The manifest in the folder, which identifies an export."""
_AT_ONCE, _CHARACTERS_AT_ONCE = 512, 8 << 20
_REMEDIES = {
    NO_ANSWER: "no row has an answer: `promptcot label` derives labels from traces, --columns "
    "answer=COLUMN names a column",
    UNREADABLE: "the verifier cannot read any gold; for answers that are words, use --verifier exact",
    NO_TRACE: "no row has a trace: export the set of a run with [solve] and [label], or the rows of `label --sft_path`",
    NO_PAIR: "no row has a right and a wrong trace: export a run with [solve] and [label], or the rows of `label "
    "--pairs_path`",
}


@dataclass(frozen=True)
class Written:
    """The result of an export: `counts` of rows, the files and rows of each split, and messages."""

    counts: StageCounts
    files: Mapping[Split, Sequence[Shard]]
    lines: list[str] = field(default_factory=list)

    @property
    def rows(self) -> dict[Split, int]:
        """How many rows each split has."""
        return {split: sum(shard.rows for shard in shards) for split, shards in self.files.items()}

    def told(self) -> dict[str, Any]:
        """The splits, as recorded in the manifest."""
        shards = {split: [shard.told() for shard in its] for split, its in self.files.items()}
        return {split: {"rows": rows, "files": shards[split]} for split, rows in self.rows.items()}


@dataclass(frozen=True)
class Settings:
    """How an export is divided: the held-out `shares`, and the maximum rows of a file. `manifest` is the resolved
    recipe, with versions; `source` is the origin of the rows in export.json, with hashes and the command, and `added`
    names the files that `complete` will write.
    """

    shares: Shares = field(default_factory=Shares)
    rows_per_shard: int | None = None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    added: Sequence[str] = ()


def write(
    rows: Rows,
    reader: Reader,
    form: Format,
    target: Path,
    settings: Settings,
    tell: Callable[[str], None],
    complete: Callable[[Path, Written], None] = lambda folder, written: None,
) -> Written:
    """Write the folder `target` and the files beside it. `complete` may add files before the folder appears.

    If no row is exported there is no folder, and an earlier one stays. Raises InputError, StorageError, LockedError if
    another process writes it, UsageError for a folder that is not an export.
    """
    if form.one_file and settings.rows_per_shard is not None:
        raise UsageError(f"rows-per-shard: {form.name} reads one file for each split, which cannot be divided")
    counts = StageCounts("export")
    with ExitStack() as held:
        dropped = RowWriter(beside(target, "dropped.jsonl"))
        held.callback(dropped.discard)
        folder = held.enter_context(begun(target, EXPORT))
        _refuse_added(target)
        scratch = folder / ".scratch"
        scratch.mkdir()
        shards = _Shards(folder, form, settings)
        examples = _examples(rows(), reader, form, counts, dropped)
        for chunk, splits in divided(examples, settings.shares, scratch, tell):
            shards.write(chunk, splits, counts, dropped)
        rmtree(scratch)
        written = Written(counts, shards.finish(), _remedies(counts))
        counts.replaced += dropped.replaced + shards.replaced
        assert counts.balanced, counts.summary()
        if counts.rows_out:
            write_whole(folder / EXPORT, indented(without_secrets(_manifest(form, settings, written))))
            complete(folder, written)
            publish(target)
        _beside(target, settings, counts, dropped)
    return written


def _refuse_added(target: Path) -> None:
    """Raises UsageError for an earlier export to which someone has added files, which would be lost."""
    if not (target / EXPORT).is_file():
        return
    try:
        own = {EXPORT, *map(str, loads((target / EXPORT).read_bytes())["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{target}: its {EXPORT} does not list the files of the export; remove the folder, or give the name of a "
            "new one"
        ) from None
    for path in sorted(target.rglob("*")):
        name = path.relative_to(target)
        made_by_tools = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if not (path.is_dir() or made_by_tools or str(name) in own):
            raise UsageError(
                f"{target}: {name} has been added to the earlier export and would be lost; move it, or give the name "
                "of a new folder"
            )


def _examples(
    rows: Iterable[Row], reader: Reader, form: Format, counts: StageCounts, dropped: RowWriter
) -> Iterator[list[Example]]:
    """The examples of the rows, in batches; rows without one are recorded with the reason."""
    for some in _batches(rows):
        examples = []
        for row, found in zip(some, reader(some), strict=True):
            counts.rows_in += 1
            why = found if isinstance(found, str) else form.unfit(found)
            if isinstance(found, str) or why is not None:
                counts.dropped[str(why)] += 1
                dropped.write({**row, "reason": why})
            else:
                examples.append(found)
        if examples:
            yield examples


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Batches of rows that fit into memory."""
    found: list[Row] = []
    size = 0
    for row in rows:
        found.append(row)
        chat = [turn["content"] for turn in turns(row["messages"])] if "messages" in row else []
        size += sum([len(value) for value in (*row.values(), *chat) if type(value) is str])
        if len(found) == _AT_ONCE or size > _CHARACTERS_AT_ONCE:
            yield found
            found, size = [], 0
    if found:
        yield found


class _Shards:
    """The files of all splits."""

    def __init__(self, folder: Path, form: Format, settings: Settings) -> None:
        self._form = form
        columns = form.schema(EXTRA)
        most = (None, None) if form.one_file else (settings.rows_per_shard, MOST_BYTES)
        self._open: dict[Split, Shards] = {
            split: Shards(folder, name, form.suffix, columns, *most) for split, name in form.files.items()
        }

    @property
    def replaced(self) -> Counter[str]:
        """Counts of characters that were replaced because they cannot be written."""
        return sum((shards.replaced for shards in self._open.values()), Counter())

    def write(
        self, examples: Sequence[Example], splits: Sequence[Split | str], counts: StageCounts, dropped: RowWriter
    ) -> None:
        """Write examples into the files of their splits, or record them as dropped."""
        rows: dict[Split, list[Row]] = {split: [] for split in self._open}
        for example, split in zip(examples, splits, strict=True):
            if split in self._open:
                its = rows[split]
                its.append(self._form.row(example, split, self._open[split].rows + len(its)))
            else:
                counts.dropped[split] += 1
                dropped.write({**_row_of(example), "reason": split})
        for split, its in rows.items():
            self._open[split].write(its)
            counts.rows_out += len(its)
            counts.rows_written += len(its)

    def finish(self) -> dict[Split, list[Shard]]:
        """The files of splits that have rows."""
        return {split: files for split, shards in self._open.items() if (files := shards.finish())}


def _row_of(example: Example) -> Row:
    names = ("id", "prompt", "problem", "answer", "completion", "chosen", "rejected")
    texts = {name: getattr(example, name) for name in names}
    return {name: value for name, value in {**texts, **example.extra}.items() if value is not None}


def _manifest(form: Format, settings: Settings, written: Written) -> dict[str, Any]:
    """The content of `export.json`."""
    return {
        **settings.source,
        "format": EXPORT_FORMAT,
        "to": form.name,
        "layout": form.layout,
        "columns": form.schema(EXTRA),
        "splits": written.told(),
        "files": [*(shard.name for shards in written.files.values() for shard in shards), *settings.added],
        "shares": {name: getattr(settings.shares, name) for name in ("validation", "test", "seed")},
        "rows": {"in": written.counts.rows_in, "out": written.counts.rows_out},
        "dropped": dict(sorted(written.counts.dropped.items())),
        "versions": {**settings.manifest.get("versions", {}), **installed(["pyarrow"])},
    }


def _beside(target: Path, settings: Settings, counts: StageCounts, dropped: RowWriter) -> None:
    """Write the files beside the folder, as for all outputs."""
    if counts.dropped:
        dropped.commit()
    else:
        beside(target, "dropped.jsonl").unlink(missing_ok=True)
    write_json(beside(target, "recipe.json"), settings.manifest)
    write_json(beside(target, "summary.json"), {"format": FORMAT, "stages": {counts.name: counts.summary()}})


def _remedies(counts: StageCounts) -> list[str]:
    """Remedies for the most frequent reasons if nothing is exported."""
    if counts.rows_out:
        return []
    reasons = (reason for reason, _ in counts.dropped.most_common(2))
    return [
        f"nothing to export: {_REMEDIES.get(reason, f'all rows are left out for this reason: {reason}')}"
        for reason in reasons
    ]
