"""README.md of a run directory: ours is updated, any other is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from promptcot.pipeline.readme import README, is_ours, write_readme


def head(folder: Path) -> object:
    return yaml.safe_load((folder / README).read_text().split("---\n")[1])


def test_its_head_names_the_file_of_the_set(tmp_path: Path) -> None:
    write_readme(tmp_path, "set.jsonl", 1234)
    data = [{"split": "train", "path": "set.jsonl"}]
    assert head(tmp_path) == {"configs": [{"config_name": "default", "data_files": data}]}
    assert "1,234 rows" in (tmp_path / README).read_text()
    before = (tmp_path / README).read_bytes()
    write_readme(tmp_path, "set.jsonl", 1234)
    assert (tmp_path / README).read_bytes() == before


def test_ours_is_renewed(tmp_path: Path) -> None:
    write_readme(tmp_path, "set.jsonl", 2)
    write_readme(tmp_path, "filter.jsonl", 1)
    assert is_ours(tmp_path / README)
    assert "filter.jsonl" in (tmp_path / README).read_text()
    assert "1 row." in (tmp_path / README).read_text()


@pytest.mark.parametrize("kind", ["of somebody else", "changed", "empty", "a folder", "a link to nothing"])
def test_what_somebody_else_wrote_stays(tmp_path: Path, kind: str) -> None:
    path = tmp_path / README
    if kind == "a folder":
        path.mkdir()
    elif kind == "a link to nothing":
        path.symlink_to(tmp_path / "elsewhere")
    else:
        write_readme(tmp_path, "set.jsonl", 2)
        text = path.read_text()
        path.write_text(
            {"of somebody else": "# Mine\n", "changed": text.replace("2 rows", "3 rows"), "empty": ""}[kind]
        )
    before = path.read_bytes() if path.is_file() else None
    write_readme(tmp_path, "set.jsonl", 5)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert not (tmp_path / "elsewhere").exists()
