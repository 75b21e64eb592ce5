"""The text of `export`: the files of each split, and the results of the check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from promptcot.cli.report.console import account, replaced
from promptcot.core.units import counted, size
from promptcot.exports.check import Checked
from promptcot.exports.files import Written
from promptcot.exports.formats.format import Format, Split
from promptcot.exports.job import Exported
from promptcot.storage.paths import beside
from promptcot.storage.tables import Shard

_SHOWN_FILES = 4


def written_lines(written: Written, form: Format, target: Path) -> Iterator[str]:
    """The folder with each split and its files, or why it was not written."""
    yield account(written.counts)
    if line := replaced(written.counts):
        yield line
    yield from written.lines
    if written.counts.rows_out:
        yield f"written: {target} ({form.layout} for {form.name}); docs/export.md shows how to train on it"
        yield from map(_split_line, written.files, written.files.values())
    else:
        yield f"not written: {target}"
    if written.counts.dropped:
        yield f"left out: {beside(target, 'dropped.jsonl')}"


def as_numbers(done: Exported, form: Format, target: Path) -> Mapping[str, Any]:
    """The same for --json."""
    splits = {
        split: {
            "rows": sum(shard.rows for shard in shards),
            "bytes": sum(shard.bytes for shard in shards),
            "files": [target / shard.name for shard in shards],
        }
        for split, shards in done.written.files.items()
    }
    check = done.checked and {**asdict(done.checked), "ok": done.checked.ok}
    return {"to": form.name, "layout": form.layout, "splits": splits, "check": check}


def _split_line(split: Split, shards: Sequence[Shard]) -> str:
    names = [shard.name for shard in shards[:_SHOWN_FILES]]
    more = f" and {len(shards) - _SHOWN_FILES} more" if len(shards) > _SHOWN_FILES else ""
    total = size(sum(shard.bytes for shard in shards))
    rows = sum(shard.rows for shard in shards)
    return f"  {split}: {counted(rows, 'row')}, {total} in {', '.join(names)}{more}"


def check_lines(found: Checked, form: Format) -> Iterator[str]:
    """The results of the check: rows that read back differently, and gold answers that fail."""
    rows = sum(found.rows.values())
    instead = "" if found.own else f" ({form.source.framework} is not installed here)"
    yield f"check: {counted(rows, 'row')} loaded by {found.by}{instead}"
    if found.wrong:
        yield f"check: {counted(found.wrong, 'row')} read back with differences:"
        yield from (f"  {one}" for one in found.different)
    if not found.golds:
        yield "check: no row has a gold answer, so none was scored"
        return
    yield f"check: {found.passed:,} of {counted(found.golds, 'gold')} pass their own verifier"
    for failure in found.failures:
        yield f"  {failure.id}: {failure.gold} ({failure.reason})"
    if found.golds - found.passed > len(found.failures):
        yield f"  and {found.golds - found.passed - len(found.failures):,} more"
    if found.failures:
        yield "  remove these rows from the input, or name a verifier that can read them: --verifier"
