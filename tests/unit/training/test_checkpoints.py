"""The checkpoint from which a training resumes, and the settings with which it started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptcot.errors import InputError
from promptcot.training.checkpoints import began_with, latest, rotate, seal


def checkpoint(directory: Path, step: int) -> Path:
    folder = directory / f"checkpoint-{step}"
    folder.mkdir()
    (folder / "optimizer.pt").write_bytes(bytes(range(256)) * 4)
    (folder / "trainer_state.json").write_text(f'{{"global_step": {step}}}')
    seal(folder)
    return folder


@pytest.mark.parametrize("file", ["optimizer.pt", "trainer_state.json", "contents.json"])
def test_a_checkpoint_with_one_wrong_bit_is_passed_over(tmp_path: Path, file: str) -> None:
    checkpoint(tmp_path, 2)
    path = checkpoint(tmp_path, 4) / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = latest(tmp_path)
    assert found.step == 2
    assert found.passed_over == (f"checkpoint-4 is incomplete ({file} is damaged)",)


def test_a_checkpoint_of_an_earlier_version_is_known_by_sizes(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, 2)
    told = json.loads((folder / "contents.json").read_bytes())
    del told["crc32"]
    (folder / "contents.json").write_text(json.dumps({name: size for name, (size, _) in told.items()}))
    assert latest(tmp_path).step == 2
    (folder / "optimizer.pt").write_bytes(b"x")
    assert latest(tmp_path).step == 0


def test_old_checkpoints_go_by_names_and_sizes(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        checkpoint(tmp_path, step)
    rotate(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-6"]


def test_the_best_checkpoint_is_kept_beside_the_newest(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8):
        checkpoint(tmp_path, step)
    rotate(tmp_path, 1, best=4)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-4", "checkpoint-8"]


def test_only_what_is_free_may_change_when_a_training_goes_on(tmp_path: Path) -> None:
    def go_on(rate: float, epochs: int) -> None:
        now = {"settings": {"schedule": {"learning_rate": rate, "epochs": epochs}}}
        began_with(tmp_path, now, goes_on=True, free={"settings.schedule.epochs"})

    for rate, epochs in ((0.1, 2), (0.1, 3)):
        go_on(rate, epochs)
    with pytest.raises(InputError, match=r"learning_rate: 0\.1 before, 0\.2 now\nTo continue"):
        go_on(0.2, 4)


def test_a_training_of_an_earlier_version_goes_on_where_new_settings_are_as_it_was(tmp_path: Path) -> None:
    began_with(tmp_path, {"settings": {"method": {"packing": True}}}, goes_on=False)

    def go_on(kind: str) -> None:
        assumed = {"settings": {"method": {"kind": "sft", "packing": False}}}
        now = {"settings": {"method": {"packing": True, "kind": kind}}}
        began_with(tmp_path, now, goes_on=True, assumed=assumed)

    with pytest.raises(InputError, match=r'settings\.method\.kind: "sft" before, "dpo" now'):
        go_on("dpo")
    go_on("sft")


def test_a_training_goes_on_though_the_name_of_its_data_looks_like_a_key(tmp_path: Path) -> None:
    rows = {"data/sk-0123456789abcdef/rows.jsonl": "ab"}
    began_with(tmp_path, rows, goes_on=False)
    began_with(tmp_path, rows, goes_on=True)
    assert "sk-0123456789" not in (tmp_path / "data.json").read_text()


def test_a_training_whose_beginning_is_damaged_stops_with_the_way_out(tmp_path: Path) -> None:
    began_with(tmp_path, {"rows": 1000}, goes_on=False)
    began_with(tmp_path, {"rows": 1000}, goes_on=True)
    path = tmp_path / "data.json"
    path.write_bytes(path.read_bytes().replace(b"1000", b"1001"))
    with pytest.raises(InputError, match=r"data\.json: it is damaged.*delete this file to resume"):
        began_with(tmp_path, {"rows": 1000}, goes_on=True)
