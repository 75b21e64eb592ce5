"""The function `export`: writes a set as the files that a trainer reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from promptcot.api.arguments import checking
from promptcot.api.inputs import Rows, as_file
from promptcot.api.jobs import SEED
from promptcot.api.results import RunResult
from promptcot.api.working import columns_of, workplace
from promptcot.exports import job
from promptcot.exports.check import Checked
from promptcot.exports.formats import format_of
from promptcot.exports.splits import Shares
from promptcot.storage.counts import StageCounts
from promptcot.storage.overlap import RUN, Read, Written, check_paths


@dataclass(frozen=True)
class ExportResult:
    """An export: its `directory`, the `files` of each split with their `rows`, and the counts of rows.

    `notes` has messages about splits, and the reason if nothing was exported, in which case there is no directory.
    `checked` has the result of loading the export again and of scoring its golds, if requested.
    """

    directory: Path | None
    files: Mapping[str, Sequence[Path]]
    rows: Mapping[str, int]
    counts: StageCounts
    checked: Checked | None = None
    notes: Sequence[str] = ()


@checking
def export(
    rows: Rows,
    output_dir: str | Path,
    *,
    to: str,
    layout: str | None = None,
    check: bool = False,
    validation: float = 0.0,
    test: float = 0.0,
    seed: int = SEED,
    rows_per_shard: int | None = None,
    disputed: bool = False,
    prompts: str | None = None,
    style: str | None = None,
    verifier: str | None = None,
    limit: float = job.LIMIT,
    columns: Mapping[str, str] | None = None,
    license: str | None = None,
    language: str | None = None,
) -> ExportResult:
    """Write a set as the files that a trainer reads: `to` is "sft", "dpo", "trl", "verl", "openrlhf", "nemo-rl",
    "nemo-gym", "skyrl" or "prime".

    `rows` are a run or its directory, training rows from `label`, or rows of a known data set. The folder `output_dir`
    replaces an earlier export. `layout` is the form of prompts, if the trainer reads several. `validation` and `test`
    are the held-out shares; similar problems are in one split. With `check`, the files are loaded again, with the
    trainer's own loader if it is installed, and every gold is scored. `disputed` keeps rows on whose answer the traces
    disagree; `prompts`, `style`, `verifier`, `limit` and `columns` as in `solve` and `label`; a run has its own
    `prompts` and `verifier`. `license` and `language` are for the card.

    Raises UsageError and InputError.
    """
    form, target = format_of(to, layout), Path(output_dir)
    recorded = {"to": form.name, "layout": form.layout, "output_dir": target, "disputed": disputed, "style": style}
    with workplace(None) as folder:
        path = rows.directory if isinstance(rows, RunResult) else as_file(rows, folder)
        check_paths([Read(path, RUN if path.is_dir() else ())], [Written.of(target, "export")])
        settings = job.Export(data_path=path, target=target, form=form, shares=Shares(validation, test, seed))
        settings = replace(settings, domain=prompts, style=style, columns=columns_of(columns), disputed=disputed)
        settings = replace(settings, verifier=verifier, limit=limit, checks=check, rows_per_shard=rows_per_shard)
        return _exported(replace(settings, license=license, language=language, told=recorded))


def _exported(settings: job.Export) -> ExportResult:
    """Write the export, and collect its messages."""
    target, notes = settings.target, list[str]()
    done = job.export(settings, notes.append)
    written = done.written
    files: dict[str, Sequence[Path]] = {
        split: [target / shard.name for shard in shards] for split, shards in written.files.items()
    }
    made = target if written.counts.rows_out else None
    return ExportResult(made, files, dict(written.rows.items()), written.counts, done.checked, [*notes, *written.lines])
