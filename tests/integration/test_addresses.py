"""Runs, vectors and evaluations at addresses, by the embedded models, from the command line and from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

import promptcot
from promptcot.cli import main
from promptcot.errors import StorageError
from promptcot.storage.remote import Folder
from promptcot.storage.rows import read_rows

pytest.importorskip("fsspec")
pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMPTCOT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def place() -> str:
    return f"memory://{uuid4().hex}"


def failing_at(name: str) -> Callable[[Folder, Path, str], None]:
    send = Folder.send

    def fail(self: Folder, source: Path, sent: str) -> None:
        if sent == name:
            raise StorageError("the network is gone")
        send(self, source, sent)

    return fail


def test_a_run_at_an_address_is_the_run_on_a_disk_and_a_copy_that_failed_asks_nothing_again(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> promptcot.RunResult:
        return promptcot.run("nano", max_candidates=6, output_dir=f"{place}/run", journal="J")

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "send", failing_at("summary.json"))
        with pytest.raises(StorageError, match="complete in J/run"):
            run()
    assert not Folder.at(f"{place}/run").has("summary.json")
    again = run()
    assert again.counts["generate"].calls == 0
    assert again.counts["generate"].reused > 0
    promptcot.run("nano", max_candidates=6, output_dir="here")
    there = set(Folder.at(f"{place}/run").files(""))
    assert there == {path.name for path in Path("here").iterdir() if path.is_file()} - {"lock"}
    for name in there - {"summary.json", "recipe.json", "report.html"}:  # these name the folder, or durations
        assert Folder.at(f"{place}/run").read(name) == (Path("here") / name).read_bytes(), name


def test_vectors_are_written_to_an_address_and_used_from_there(place: str) -> None:
    url = f"{place}/v.safetensors"
    promptcot.encode("nano", output_path=url, journal="J")
    assert promptcot.encode("nano", output_path=url, journal="J").counts.calls == 0
    assert {"v.safetensors", "v.jsonl"} <= set(Folder.at(place).files(""))
    promptcot.encode("nano", output_path="here.safetensors")
    drawn = promptcot.sample("nano", 5, vectors=url).rows
    assert drawn == promptcot.sample("nano", 5, vectors="here.safetensors").rows
    with pytest.raises(promptcot.UsageError, match="needs --journal"):
        promptcot.encode("nano", output_path=url)


def test_each_step_goes_from_an_address_to_an_address(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    def step(*words: str, output: str) -> None:
        assert main([*words, "--output_path", f"{place}/{output}", "--journal", "J"]) == 0

    step("sample", "--data_path", "nano", "--data_size", "3", output="s.jsonl")
    step("generate", "--data_path", f"{place}/s.jsonl", "--max_len", "400", output="g.jsonl.zst")
    step("judge", "--data_path", f"{place}/g.jsonl.zst", output="j.parquet")
    step("filter", "--template", f"{place}/j.parquet", output="f.jsonl")
    assert len(list(read_rows(f"{place}/g.jsonl.zst"))) > 0
    assert len(promptcot.judge(f"{place}/g.jsonl.zst").rows) == len(list(read_rows(f"{place}/j.parquet")))
    assert Folder.at(place).has("f.jsonl")


def test_an_evaluation_at_an_address_has_its_tables_there_and_compares(place: str) -> None:
    found = promptcot.evaluate("nano", limit_rows=2, set={"n": 1}, output_dir=f"{place}/e", journal="J")
    assert found.directory == Path("J/e")
    there = set(Folder.at(f"{place}/e").files(""))
    assert {"results.json", "nano.jsonl", "nano.recipe.json"} <= there
    assert main(["eval", "nano", "--limit-rows", "2", "--output-dir", f"{place}/e"]) == 2
    graded = promptcot.grade(f"{place}/e/nano.jsonl")
    assert graded.accuracy() == found.benchmarks["nano"].summary.accuracy.mean


def test_in_python_a_journal_is_a_folder_and_belongs_to_an_address(place: str) -> None:
    with pytest.raises(promptcot.UsageError, match="journal is for an output at an address"):
        promptcot.run("nano", output_dir="here", journal="J")
    with pytest.raises(promptcot.UsageError, match="is an address"):
        promptcot.generate([{"prompt": "p"}], journal=f"{place}/J")
    with pytest.raises(promptcot.InputError, match="copy it here"):
        promptcot.load_run(f"{place}/run")
    assert not Path("here").exists()
