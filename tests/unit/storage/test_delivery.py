"""The files of a folder that are copied to an address, their order, and those that are not copied."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from promptcot.errors import LockedError, StorageError, UsageError
from promptcot.storage.atomic import locked, write_whole
from promptcot.storage.delivery import Delivery
from promptcot.storage.journal import Journal
from promptcot.storage.remote import Folder
from promptcot.storage.writer import RowWriter

pytest.importorskip("fsspec")

RUN = ["filter.jsonl", "filter.dropped.jsonl", "recipe.json", "summary.json", "model/config.json", "vllm.jsonl"]
STAYS = [
    *("lock", "generate.journal/calls.jsonl", "generate.journal/lock", "a.jsonl.partial", "a.jsonl.partial.parquet"),
    *("vllm-qwen-0.log", "dedupe.state/x", "checkpoint-20/model.safetensors", "nano.grades/x.jsonl", "chain.lock"),
    *("processes/1/stderr.log", "model.part/config.json"),
]


@pytest.fixture
def url() -> str:
    return f"memory://{uuid4().hex}/run"


def made(folder: Path, *names: str) -> Path:
    for name in names:
        write_whole(folder / name, name.encode())
    return folder


def sent(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names in the order in which they were copied."""
    order: list[str] = []
    send = Folder.send
    with monkeypatch.context() as patched:
        patched.setattr(Folder, "send", lambda self, path, name: (order.append(name), send(self, path, name)))
        delivery.send()
    return order


def test_of_a_folder_the_results_are_copied_and_what_tells_that_they_are_all_there_comes_last(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery(url, made(tmp_path / "run", *RUN, *STAYS), "folder")
    order = sent(delivery, monkeypatch)
    assert sorted(order) == sorted(RUN)
    assert order[-1] == "summary.json"
    assert Folder.at(url).read("model/config.json") == b"model/config.json"


def test_vectors_come_after_their_names(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["v.jsonl", "v.recipe.json", "v.summary.json", "v.safetensors"]
    made(tmp_path, *names, "v.other.jsonl", "w.jsonl")
    order = sent(Delivery(f"{url}/v.safetensors", tmp_path / "v.safetensors", "file"), monkeypatch)
    assert sorted(order) == sorted(names)
    assert order[-2:] == ["v.jsonl", "v.safetensors"]


def test_a_folder_at_an_address_is_not_emptied_but_for_companions(url: str, tmp_path: Path) -> None:
    there = Folder.at(url)
    for name in ("filter.failed.jsonl", "mine.failed.jsonl", "notes.txt"):
        there.send(made(tmp_path, "x") / "x", name)
    Delivery(url, made(tmp_path / "run", *RUN), "folder").send()
    left = set(there.files(""))
    assert {"mine.failed.jsonl", "notes.txt", "filter.dropped.jsonl"} <= left
    assert "filter.failed.jsonl" not in left


def test_a_file_appears_whole_where_a_file_system_shows_what_is_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "there"
    made(place, "x.jsonl")
    seen = []
    copy = Folder.send.__globals__["_copy"]

    def watched(*arguments: object) -> None:
        copy(*arguments)
        seen.append((place / "x.jsonl").read_bytes())

    monkeypatch.setitem(Folder.send.__globals__, "_copy", watched)
    Folder.at(f"local://{place}").send(made(tmp_path, "new") / "new", "x.jsonl")
    assert seen == [b"x.jsonl"]
    assert [path.name for path in place.iterdir()] == ["x.jsonl"]
    assert (place / "x.jsonl").read_bytes() == b"new"


def test_two_commands_on_one_disk_do_not_make_the_same_output(url: str, tmp_path: Path) -> None:
    first, second = (Delivery.of(url, tmp_path, "folder") for _ in range(2))
    assert first is not None
    assert second is not None
    with first.held(), pytest.raises(LockedError), second.held():
        pass


def test_a_journal_is_on_this_machine_and_only_addresses_need_one(url: str, tmp_path: Path) -> None:
    assert Delivery.of(tmp_path / "x.jsonl", None, "file") is None
    with pytest.raises(UsageError, match="needs --journal"):
        Delivery.of(Path(url), None, "folder")
    with pytest.raises(UsageError, match="on this machine"):
        Delivery.of(url, url, "folder")


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_whole(path, b""),
        RowWriter,
        lambda path: Journal(path).__enter__(),
        lambda path: locked(path).__enter__(),
    ],
    ids=["write_whole", "RowWriter", "Journal", "locked"],
)
@pytest.mark.parametrize("address", ["s3://b/x.jsonl", "s3://x.jsonl", "memory://a/b/x.jsonl"])
def test_what_writes_files_refuses_an_address(
    write: object, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError, match="files can be written only on this machine"):
        write(Path(address))  # type: ignore[operator]
    assert list(tmp_path.iterdir()) == []
