"""Uploads by the Hub's real client to a stand-in: atomic, changed files only, and our own files only."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promptcot.cli.push_options import Push
from promptcot.errors import InputError, UsageError
from promptcot.hub.client import check_ready
from promptcot.hub.parcel import check_name, pack
from promptcot.hub.upload import Upload
from promptcot.runners.retries import Retries
from tests.hub_stand_in import TOKEN, Fault, Hub, hub_of_the_client
from tests.programs import PATIENCE, started, wait_until

MARK = "export.json"
NAME = "me/problems"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with hub_of_the_client(monkeypatch, tmp_path / "home") as made:
        yield made


def write(folder: Path, shards: int = 3, to: str = "verl", **changed: str) -> Path:
    """A folder as an export leaves it."""
    names = [f"train-{n:05}-of-{shards:05}.parquet" for n in range(shards)]
    told = {"format": "promptcot-export/1", "set": "small", "to": to, "files": [{"name": name} for name in names]}
    files = {
        "README.md": "---\nlicense: mit\n---\n",
        MARK: json.dumps(told),
        **{name: f"rows {name}" for name in names},
    }
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, text in {**files, **changed}.items():
        (folder / name).write_text(text)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def push(folder: Path, replace: bool = False, said: list[str] | None = None, kind: str = "dataset") -> Upload:
    parcel = pack(folder, NAME, "model" if kind == "model" else "dataset", MARK)
    upload = Upload(parcel, replace, (said if said is not None else []).append, sleep=lambda _: None)
    upload.look()
    upload.send()
    return upload


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_a_new_repository_is_private_and_holds_the_folder_in_one_commit(
    kind: str, stand_in: Hub, tmp_path: Path
) -> None:
    folder = write(tmp_path / "out")
    push(folder, kind=kind)
    assert stand_in.repositories[f"{kind}s", NAME].private
    assert stand_in.files(NAME, f"{kind}s") == contents(folder)
    assert stand_in.count("POST .*/commit/main") == 1


def test_the_same_again_sends_nothing(stand_in: Hub, tmp_path: Path) -> None:
    folder = write(tmp_path / "out")
    push(folder)
    stand_in.asked.clear()
    push(folder)
    assert stand_in.count("^(PUT|POST)") == 0


def test_only_what_changed_goes_up_and_what_is_no_longer_ours_goes(stand_in: Hub, tmp_path: Path) -> None:
    folder = write(tmp_path / "out", shards=3)
    push(folder)
    stand_in.repositories["datasets", NAME].files["figure.png"] = b"somebody's"
    stand_in.asked.clear()
    write(folder, shards=3, **{"train-00001-of-00003.parquet": "other rows"})
    push(folder)
    assert stand_in.count("^PUT") == 1
    assert stand_in.files(NAME) == {**contents(folder), "figure.png": b"somebody's"}
    write(folder, shards=2)
    push(folder)
    assert stand_in.files(NAME) == {**contents(folder), "figure.png": b"somebody's"}


OTHERS: dict[str, dict[str, bytes]] = {
    "files of somebody": {"README.md": b"mine", "a.csv": b"1", "b.csv": b"2", "c.csv": b"3"},
    "another set": {MARK: b'{"format": "promptcot-export/1", "set": "large", "to": "verl"}'},
    "another trainer": {MARK: b'{"format": "promptcot-export/1", "set": "small", "to": "trl"}'},
    "a mark of another program": {MARK: b'{"set": "small", "to": "verl"}'},
    "a mark that is broken": {MARK: b"{"},
}


@pytest.mark.parametrize("files", OTHERS.values(), ids=OTHERS)
def test_what_others_put_there_is_refused_by_name_unless_it_may_be_replaced(
    files: dict[str, bytes], stand_in: Hub, tmp_path: Path
) -> None:
    folder = write(tmp_path / "out")
    stand_in.add(NAME, files)
    with pytest.raises(InputError, match=f"exists on the Hub .*{min(files)}.*--replace"):
        push(folder)
    assert stand_in.files(NAME) == files
    push(folder, replace=True)
    assert stand_in.files(NAME) == contents(folder)


def test_a_repository_that_is_empty_is_taken_as_it_is(stand_in: Hub, tmp_path: Path) -> None:
    stand_in.add(NAME, {}, private=False)
    folder = write(tmp_path / "out")
    push(folder)
    assert stand_in.files(NAME) == contents(folder)
    assert not stand_in.repositories["datasets", NAME].private


PASSING = {
    "503 of the first look": Fault("GET /api/datasets", 503, 2),
    "429 of whoami": Fault("whoami", 429, 1, {"Retry-After": "0"}),
    "429 of the repository": Fault("repos/create", 429, 2, {"Retry-After": "0"}),
    "503 of the list": Fault("/tree/", 503, 1),
    "500 of the modes": Fault("preupload", 500, 2),
    "503 of a file": Fault("PUT /large", 503, 2),
    "a cut upload": Fault("PUT /large", "cut", 2),
    "503 of the commit": Fault("/commit/", 503, 2),
    "a cut commit": Fault("/commit/", "cut"),
    "a commit whose answer is lost": Fault("/commit/", "lost"),
    "a repository whose answer is lost": Fault("repos/create", "lost"),
    "409 of the commit": Fault("/commit/", 409),
    "412 of the commit": Fault("/commit/", 412),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_what_passes_is_tried_again_and_the_repository_is_whole(fault: Fault, stand_in: Hub, tmp_path: Path) -> None:
    folder = write(tmp_path / "out")
    stand_in.faults.append(Fault(**vars(fault)))
    push(folder)
    assert stand_in.faults[0].times == 0
    assert stand_in.files(NAME) == contents(folder)
    assert stand_in.repositories["datasets", NAME].commits == 2


LASTING = {
    "401": (Fault("whoami", 401, 9), "does not accept the token"),
    "403 of the name": (Fault("repos/create", 403, 9), r"may not do this \(403\)"),
    "403 of the commit": (Fault("/commit/", 403, 9), r"may not do this \(403\)"),
    "404 of the commit": (Fault("/commit/", 404, 9), "404"),
    "400 of the commit": (Fault("/commit/", 400, 9), "400"),
    "413": (Fault("PUT /large", 413, 99), "413"),
    "503 for good": (Fault("/commit/", 503, 99), "run the same command again to continue"),
    "429 for good": (Fault("repos/create", 429, 99), "run the same command again to continue"),
}


@pytest.mark.parametrize(("fault", "why"), LASTING.values(), ids=LASTING)
def test_what_does_not_pass_is_one_line_and_leaves_nothing_half(
    fault: Fault, why: str, stand_in: Hub, tmp_path: Path
) -> None:
    folder = write(tmp_path / "out")
    stand_in.faults.append(Fault(**vars(fault)))
    with pytest.raises(InputError, match=why) as raised:
        push(folder)
    assert "\n" not in str(raised.value)
    assert TOKEN not in str(raised.value)
    for repository in stand_in.repositories.values():
        assert set(repository.files) == {".gitattributes"}


def test_no_connection_is_said_in_one_line(stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    said: list[str] = []
    upload = Upload(pack(write(tmp_path / "out"), NAME, "dataset", MARK), tell=said.append, retries=Retries(tries=2))
    with pytest.raises(InputError, match=r"the token: .*run the same command again"):
        upload.look()
    assert len(said) == 1


def test_a_library_that_was_loaded_offline_is_not_asked_again_and_again(
    stand_in: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said: list[str] = []
    with pytest.raises(InputError, match="HF_HUB_OFFLINE"):
        push(write(tmp_path / "out"), said=said)
    assert said == []


def test_somebody_who_adds_files_after_the_look_loses_none(stand_in: Hub, tmp_path: Path) -> None:
    stand_in.add(NAME, {"old.csv": b"1"})
    parcel = pack(write(tmp_path / "out"), NAME, "dataset", MARK)
    upload = Upload(parcel, True, [].append)
    assert upload.look().delete == ["old.csv"]
    stand_in.repositories["datasets", NAME].files["new.csv"] = b"2"
    with pytest.raises(InputError, match=r"new\.csv was added in the meantime"):
        upload.send()
    assert stand_in.files(NAME) == {"old.csv": b"1", "new.csv": b"2"}


PROGRAM = """
import sys
import huggingface_hub._commit_api as commits
commits.is_xet_available = lambda: False
from pathlib import Path
from promptcot.hub.parcel import pack
from promptcot.hub.upload import Upload
upload = Upload(pack(Path(sys.argv[1]), "me/problems", "dataset", "export.json"))
upload.look()
upload.send()
"""


@pytest.mark.parametrize("where", ["PUT /large", "PUT /large.* again", "/commit/", "preupload", "repos/create"])
def test_killed_in_the_middle_it_goes_on_and_sends_only_the_rest(where: str, stand_in: Hub, tmp_path: Path) -> None:
    """Killed at the first request of a kind, or at the 18th file, which is in the second group."""
    folder = write(tmp_path / "out", shards=20)
    child: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        child[0].send_signal(signal.SIGKILL)
        child[0].wait()

    later = where.endswith(" again")
    pattern = where.removesuffix(" again")
    stand_in.faults += [Fault(pattern, lambda: None, 17)] * later + [Fault(pattern, kill)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with started([sys.executable, "-c", PROGRAM, str(folder)], env=environment) as process:
        child.append(process)  # long before it asks for anything: it has libraries to load
        assert process.wait(timeout=PATIENCE) == -signal.SIGKILL
    wait_until(lambda: stand_in.busy == 0)
    first = set(stand_in.large)
    assert not any(path.endswith(".parquet") for one in stand_in.repositories.values() for path in one.files) or (
        stand_in.files(NAME) == contents(folder)
    )
    stand_in.faults.clear()
    stand_in.asked.clear()
    push(folder)
    assert stand_in.files(NAME) == contents(folder)
    assert stand_in.count("^PUT") <= 20 - len(first)
    assert stand_in.repositories["datasets", NAME].commits == 2


def test_what_was_uploaded_is_read_again_by_the_library(stand_in: Hub, tmp_path: Path) -> None:
    from huggingface_hub import HfApi

    folder = write(tmp_path / "out")
    push(folder)
    client = HfApi(endpoint=stand_in.url, token=TOKEN)
    found = client.hf_hub_download(NAME, "train-00000-of-00003.parquet", repo_type="dataset", local_dir=tmp_path / "x")
    assert Path(found).read_bytes() == (folder / "train-00000-of-00003.parquet").read_bytes()


@pytest.mark.parametrize(
    "name",
    ["problems", "a/b/c", "/b", "a/", "me/.hidden", "me/x--y", "me/x..y", "me/x.git", "me/x-", "me/é", "a/" + "b" * 99],
)
def test_a_name_that_can_be_none_is_refused_before_anything(name: str) -> None:
    with pytest.raises(UsageError, match="give OWNER/NAME"):
        check_name(name)


def test_a_push_needs_network_and_token_before_anything_is_made(stand_in: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    check_ready(NAME)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match="HF_HUB_OFFLINE=1 is set"):
        check_ready(NAME)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="`hf auth login`, or set HF_TOKEN"):
        check_ready(NAME)
    for token in ("hf_\u00fc", "hf_a b"):
        monkeypatch.setenv("HF_TOKEN", token)
        with pytest.raises(InputError, match="characters that no token") as refused:
            check_ready(NAME)
        assert token not in str(refused.value)
    monkeypatch.setenv("HF_ENDPOINT", "localhost:1")
    with pytest.raises(InputError, match="HF_ENDPOINT is localhost:1, and has to begin with https://"):
        check_ready(NAME)
    assert stand_in.asked == []


def test_what_is_replaced_and_deleted_is_named_before_it_is(
    stand_in: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "out")
    push(folder)
    stand_in.repositories["datasets", NAME].files["README.md"] = b"edited by hand"
    stand_in.repositories["datasets", NAME].files["figure.png"] = b"x"
    Push(NAME, yes=True, replace=True).send(folder, "dataset", MARK)
    said = capsys.readouterr().out
    assert "already there: 4 files; to upload: 1 file (" in said
    assert "replaced by files of this folder: README.md" in said
    assert "deleted: figure.png" in said


Spoil = Callable[[Path], object]
SPOILT: dict[str, tuple[Spoil, str]] = {
    "no mark": (lambda folder: (folder / MARK).unlink(), "written last"),
    "a link": (lambda folder: (folder / "passwd").symlink_to("/etc/passwd"), "links are not uploaded"),
}


@pytest.mark.parametrize(("spoil", "why"), SPOILT.values(), ids=SPOILT)
def test_a_folder_that_is_not_whole_or_leads_elsewhere_is_refused(spoil: Spoil, why: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "out")
    spoil(folder)
    with pytest.raises(InputError, match=why):
        pack(folder, NAME, "dataset", MARK)


def test_a_dry_run_lists_files_and_sizes_and_sends_nothing(
    stand_in: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    Push(NAME, dry_run=True).send(write(tmp_path / "out"), "dataset", MARK)
    said = capsys.readouterr().out
    assert f"{stand_in.url}/datasets/{NAME}, private if it is new" in said
    assert re.search(r"train-00002-of-00003.parquet +33 B\n", said)
    assert "5 files" in said
    assert "nothing was sent" in said
    assert "to upload it: --push me/problems: no token" in said
    assert stand_in.asked == []


def test_without_a_terminal_and_without_yes_it_stops_after_the_list(
    stand_in: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "out")
    with pytest.raises(UsageError, match=r"nothing was uploaded: .*--yes"):
        Push(NAME).send(folder, "dataset", MARK)
    assert "me/problems is new: it will be private" in capsys.readouterr().out
    assert stand_in.repositories == {}
    Push(NAME, yes=True, public=True).send(folder, "dataset", MARK)
    said = capsys.readouterr()
    assert f"uploaded: {stand_in.url}/datasets/{NAME}" in said.out
    assert said.err == ""
    assert TOKEN not in said.out
    assert not stand_in.repositories["datasets", NAME].private
    Push(NAME).send(folder, "dataset", MARK)
    assert "is up to date" in capsys.readouterr().out
