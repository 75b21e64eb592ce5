"""A folder that was uploaded is a data set: `datasets` loads it by its name, from a stand-in of the Hub."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pyarrow import Table, parquet

from promptcot.exports.card import Described, card
from promptcot.exports.origin import Origin
from tests.hub_stand_in import TOKEN, hub
from tests.programs import finished

PUSH = """
from pathlib import Path
from promptcot.cli.push_options import Push
Push("me/problems", yes=True).send(Path("out"), "dataset", "export.json")
"""
LOAD = """
import datasets
found = datasets.load_dataset("me/problems")
print({split: [*rows["answer"]] for split, rows in found.items()})
"""


def test_what_was_pushed_is_loaded_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    files = {"train": [f"train-{n:05}-of-00002.parquet" for n in range(2)], "validation": ["test.parquet"]}
    for number, name in enumerate(name for names in files.values() for name in names):
        parquet.write_table(Table.from_pydict({"prompt": ["?"], "answer": [str(number)]}), folder / name)
    told = Described(to="verl", kind="rl", rows={"train": 2, "validation": 1}, files=files, made={})
    (folder / "README.md").write_text(card(Origin("small"), told), encoding="utf-8")
    (folder / "export.json").write_text(json.dumps({"format": "promptcot-export/1", "set": "small", "to": "verl"}))
    offline = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")
    kept = {name: value for name, value in os.environ.items() if name not in offline}
    with hub() as stand_in:
        more = {"HF_ENDPOINT": stand_in.url, "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path / "home")}
        environment = {**kept, **more, "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        said = [finished([sys.executable, "-c", program], cwd=tmp_path, env=environment) for program in (PUSH, LOAD)]
    assert [one.returncode for one in said] == [0, 0], said
    assert said[1].stdout == "{'train': ['0', '1'], 'validation': ['2']}\n"
    assert TOKEN not in "".join(one.stdout + one.stderr for one in said)
