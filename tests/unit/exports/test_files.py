"""The folder of an export: its files, complete when it appears, without lost rows, and reproducible."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from promptcot import domains
from promptcot.errors import InputError, LockedError, UsageError
from promptcot.exports.examples import Reader
from promptcot.exports.files import EXPORT, Settings, Written, write
from promptcot.exports.formats import format_of
from promptcot.exports.reading import rows_of
from promptcot.exports.splits import Shares
from promptcot.records import Row
from promptcot.storage.json import dumps
from promptcot.storage.rows import read_rows
from promptcot.storage.writer import RowWriter

NANO = domains.load("nano")


def row(number: int, **more: Any) -> Row:
    concepts = [f"concept {number}-{place}" for place in range(3)]
    text = f"Find the {number}-th of {' '.join(str(number * place) for place in range(9))}."
    return {"id": f"p{number}", "problem": text, "answer": str(number), "foundational_concepts": concepts, **more}


def exported(
    folder: Path, rows: Iterable[Row], to: str = "trl", settings: Settings | None = None, **more: Any
) -> Written:
    source = folder / "rows.jsonl"
    source.write_bytes(b"".join(map(dumps, rows)))
    form = format_of(to)
    reader = Reader(form.kind, NANO)
    return write(
        rows_of(source, form.kind), reader, form, folder / "out", settings or Settings(), lambda line: None, **more
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def ids(folder: Path, pattern: str = "*.parquet") -> list[str]:
    return [str(one["id"]) for path in sorted((folder / "out").glob(pattern)) for one in read_rows(path)]


@pytest.mark.parametrize("to", ["trl", "nemo-gym"])
def test_all_rows_are_accounted_for_and_a_second_export_gives_the_same_bytes(to: str, tmp_path: Path) -> None:
    rows = [row(number) if number % 5 else row(number, answer=None) for number in range(200)]
    settings = Settings(Shares(0.2, 0.1), source={"command": "promptcot export"})
    written = exported(tmp_path, rows, to, settings)
    counts, made = written.counts, contents(tmp_path)
    assert (counts.rows_in, counts.rows_out, dict(counts.dropped)) == (200, 160, {"no answer": 40})
    assert sum(written.rows.values()) == 160
    assert [one["reason"] for one in read_rows(tmp_path / "out.dropped.jsonl")] == ["no answer"] * 40
    exported(tmp_path, rows, to, settings)
    assert contents(tmp_path) == made


def test_the_manifest_names_each_file_with_its_hash_and_what_was_asked(tmp_path: Path) -> None:
    exported(tmp_path, map(row, range(50)), settings=Settings(Shares(0.1), 20, source={"command": "promptcot export"}))
    manifest = json.loads((tmp_path / "out" / EXPORT).read_bytes())
    assert (manifest["to"], manifest["command"], manifest["rows"]) == ("trl", "promptcot export", {"in": 50, "out": 50})
    files = [file for its in manifest["splits"].values() for file in its["files"]]
    assert {file["name"] for file in files} == {path.name for path in (tmp_path / "out").iterdir()} - {EXPORT}
    for file in files:
        content = (tmp_path / "out" / file["name"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert json.loads((tmp_path / "out.summary.json").read_bytes())["stages"]["export"]["out"] == 50


@pytest.mark.parametrize(("to", "suffix"), [("trl", ".parquet"), ("nemo-gym", ".jsonl")])
@pytest.mark.parametrize(("most", "files"), [(None, 1), (40, 1), (13, 4), (20, 2)])
def test_files_are_divided_at_so_many_rows(to: str, suffix: str, most: int | None, files: int, tmp_path: Path) -> None:
    if format_of(to).one_file and most is not None:
        with pytest.raises(UsageError, match="one file"):
            exported(tmp_path, map(row, range(40)), to, Settings(rows_per_shard=most))
        return
    written = exported(tmp_path, map(row, range(40)), to, Settings(rows_per_shard=most))
    names = [f"train-{n:05}-of-{files:05}{suffix}" for n in range(files)] if files > 1 else [f"train{suffix}"]
    assert [shard.name for shard in written.files["train"]] == names
    assert [shard.rows for shard in written.files["train"]] == [
        min(most or 40, 40 - (most or 40) * n) for n in range(files)
    ]
    assert ids(tmp_path, f"*{suffix}") == [f"p{number}" for number in range(40)]


def test_a_file_of_too_many_bytes_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (
        ("exports.files.MOST_BYTES", 4000),
        ("storage.tables._ROW_GROUP", 2000),
        ("exports.files._AT_ONCE", 8),
    ):
        monkeypatch.setattr(f"promptcot.{name}", size)
    written = exported(tmp_path, map(row, range(64)))
    assert len(written.files["train"]) > 2
    assert ids(tmp_path) == [f"p{number}" for number in range(64)]


def test_parquet_has_plain_types_and_no_notes_for_one_library(tmp_path: Path) -> None:
    exported(tmp_path, map(row, range(9)), "verl")
    file = pyarrow.parquet.ParquetFile(tmp_path / "out" / "train.parquet")
    assert [*(file.schema_arrow.metadata or {})] == []
    assert "huggingface" not in str(file.metadata.metadata)
    kinds = str(file.schema_arrow)
    assert not any(word in kinds for word in ("view", "large", "dictionary", "null"))
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_rows_are_bounded_together_however_long_they_are(tmp_path: Path) -> None:
    long = [row(number, problem=f"{number} " + "x" * 1_000_000) for number in range(20)]
    written = exported(tmp_path, long)
    assert written.counts.rows_out == 20
    assert all(len(str(one["prompt"])) > 1_000_000 for one in read_rows(tmp_path / "out" / "train.parquet"))


@pytest.mark.parametrize("to", ["trl", "nemo-gym", "verl"])
def test_half_a_surrogate_becomes_a_letter_and_is_counted(to: str, tmp_path: Path) -> None:
    written = exported(tmp_path, [row(1, problem="Find \ud800."), row(2, problem="Trouvez é 𝔸.")], to)
    assert written.counts.replaced.total() > 0
    data = b"".join(content for name, content in contents(tmp_path / "out").items() if name != EXPORT)
    assert "�".encode() in data
    assert b"\\ud800" not in data


def test_rows_of_any_letters_are_divided_too(tmp_path: Path) -> None:
    rows = [
        row(number, problem=f"Find \ud800{number} é 𝔸.", foundational_concepts=["\ud800", 3]) for number in range(20)
    ]
    written = exported(
        tmp_path, [*rows, *(row(number, answer=None) for number in range(1000))], "trl", Settings(Shares(0.1))
    )
    assert (written.counts.rows_out, written.counts.rows_in) == (20, 1020)


def test_where_nothing_goes_out_there_is_nothing_to_divide(tmp_path: Path) -> None:
    assert exported(tmp_path, [row(1, answer=None)], settings=Settings(Shares(0.1))).rows == {}


def test_ids_are_texts_and_no_two_are_the_same(tmp_path: Path) -> None:
    rows = [row(1, id=1), row(2, id="1"), row(3, id=None), {**row(4), "id": ""}, row(5, id="a"), row(6, id="a")]
    exported(tmp_path, rows)
    found = ids(tmp_path)
    assert len({*found}) == 6
    assert found[:2] == ["1", "1-2"]
    assert found[4:] == ["a", "a-2"]


def test_where_nothing_goes_out_there_is_no_folder_and_the_way_out_is_told(tmp_path: Path) -> None:
    written = exported(tmp_path, [row(number, answer=None) for number in range(3)])
    assert written.rows == {}
    assert [line.partition(": ")[0] for line in written.lines] == ["nothing to export"]
    assert "--columns answer=COLUMN" in written.lines[0]
    assert not (tmp_path / "out").exists()
    assert len([*read_rows(tmp_path / "out.dropped.jsonl")]) == 3


def test_an_export_that_fails_leaves_the_earlier_one_and_nothing_half_done(tmp_path: Path) -> None:
    exported(tmp_path, map(row, range(5)))
    before = contents(tmp_path / "out")

    def fail(folder: Path, written: Written) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exported(tmp_path, map(row, range(9)), complete=fail)
    assert contents(tmp_path / "out") == before
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"rows.jsonl", "out", "out.recipe.json", "out.summary.json"}


def test_what_a_killed_export_left_is_in_nobodys_way(tmp_path: Path) -> None:
    exported(tmp_path, map(row, range(5)))
    made = contents(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "out.replaced")  # killed between the two renames
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "train-00000.partial").write_bytes(b"half")
    exported(tmp_path, map(row, range(5)))
    assert contents(tmp_path / "out") == made
    assert not [path for path in tmp_path.iterdir() if path.name.endswith((".replaced", ".partial"))]


def test_the_files_of_an_earlier_export_are_gone_with_it(tmp_path: Path) -> None:
    exported(tmp_path, map(row, range(50)), settings=Settings(Shares(0.2), rows_per_shard=10))
    exported(tmp_path, [row(0, answer=None), row(1)])
    assert {*contents(tmp_path / "out")} == {"train.parquet", EXPORT}
    exported(tmp_path, [row(1)])
    assert not (tmp_path / "out.dropped.jsonl").exists()


@pytest.mark.parametrize("there", ["a file", "a folder"])
def test_what_others_made_is_not_replaced(there: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    if there == "a folder":
        path.mkdir()
    (path if there == "a file" else path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"give (another name|the name of a new folder)"):
        exported(tmp_path, [row(1)])
    assert contents(tmp_path)["out" if there == "a file" else "thesis.txt"] == b"mine"


@pytest.mark.parametrize("added", ["checkpoint/model.bin", "train-00007-of-00008.parquet", "notes.md"])
def test_what_others_put_into_an_earlier_export_is_not_lost(added: str, tmp_path: Path) -> None:
    exported(tmp_path, [row(1)])
    (path := tmp_path / "out" / added).parent.mkdir(exist_ok=True)
    path.write_text("mine")
    with pytest.raises(UsageError, match=f"{added} has been added .* the name of a new folder"):
        exported(tmp_path, [row(2)])
    assert path.read_text() == "mine"
    assert ids(tmp_path, "train.parquet") == ["p1"]


def test_what_tools_leave_in_an_export_is_in_nobodys_way(tmp_path: Path) -> None:
    exported(tmp_path, [row(1)])
    for name in (".cache/huggingface", "__pycache__"):
        (folder := tmp_path / "out" / name).mkdir(parents=True)
        (folder / "x.pyc").write_text("")
    exported(tmp_path, [row(2)])
    assert {*contents(tmp_path / "out")} == {"train.parquet", EXPORT}


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"files": 3}', "\xff"])
def test_an_export_whose_manifest_is_damaged_is_not_replaced(manifest: str, tmp_path: Path) -> None:
    exported(tmp_path, [row(1)])
    (tmp_path / "out" / EXPORT).write_text(manifest)
    with pytest.raises(UsageError, match="remove the folder, or give the name of a new one"):
        exported(tmp_path, [row(2)])


def test_an_empty_folder_and_a_link_to_one_are_filled(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to("elsewhere")
    exported(tmp_path, [row(1)])
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "elsewhere" / "train.parquet").is_file()


def test_two_exports_into_one_folder_do_not_mix(tmp_path: Path) -> None:
    other = RowWriter(tmp_path / "out.dropped.jsonl")
    with pytest.raises(LockedError):
        exported(tmp_path, [row(1)])
    other.discard()
    assert exported(tmp_path, [row(1)]).counts.rows_out == 1


def test_what_is_added_before_the_folder_appears_appears_with_it(tmp_path: Path) -> None:
    exported(tmp_path, [row(1)], complete=lambda folder, written: (folder / "README.md").write_text("A set.") and None)
    assert (tmp_path / "out" / "README.md").read_text() == "A set."


def test_what_a_split_leaves_out_is_written_down_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "promptcot.exports.splits.join_by_texts", lambda *_: None
    )  # so that copies are found later only
    text = (
        "Two trains leave the towns of A and B at the same time and meet after seven hours; how far is it from A to B?"
    )
    rows = [row(number, problem=f"{text} {number}") for number in range(30)]
    written = exported(tmp_path, rows, settings=Settings(Shares(0.1)))
    reason = "near copy of a validation row"
    assert written.counts.dropped[reason] == 27
    assert {one["reason"] for one in read_rows(tmp_path / "out.dropped.jsonl")} == {reason}
    assert written.rows == {"validation": 3}


def test_a_file_that_is_no_set_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file"):
        rows_of(tmp_path / "missing.jsonl", "rl")().__next__()
