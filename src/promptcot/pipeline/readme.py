"""README.md of a run directory: its head tells `datasets.load_dataset` which of the files is the data set.

Decides what it says, and that a README.md which somebody else wrote, or has changed, stays as it is: ours ends with a
checksum of what is above it.
"""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path

from promptcot.core.units import counted
from promptcot.storage.atomic import storing, write_whole

README = "README.md"
_MARK = re.compile(rb"<!-- written by promptcot, crc32 (\d+) -->\n\Z")
_TEXT = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: {path}
---
# The directory of a run of promptcot

`{name}` contains the rows that passed all steps of the run: {rows}. Load it with

```python
import datasets

rows = datasets.load_dataset("PATH", split="train")
```

where PATH is this directory. The other files belong to single steps: `STEP.jsonl` contains the rows that passed a step,
`STEP.dropped.jsonl` those that the step left out, each with a `reason`, and `STEP.failed.jsonl` those for which calls
to a model failed. `recipe.json` contains the settings of the run, and `summary.json` the counts of each step.
"""


def write_readme(directory: Path, name: str, rows: int) -> None:
    """Write README.md for the file `name` with so many rows, unless another one is there. Raises StorageError."""
    path = directory / README
    with storing(path):
        if path.is_symlink() or (path.exists() and not is_ours(path)):
            return
        text = _TEXT.format(path=json.dumps(name), name=name, rows=counted(rows, "row"))
        content = text.encode()
        write_whole(path, content + b"<!-- written by promptcot, crc32 %d -->\n" % zlib.crc32(content))


def is_ours(path: Path) -> bool:
    """Whether a run wrote this file, and nobody has changed it since."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    mark = _MARK.search(content)
    return mark is not None and int(mark[1]) == zlib.crc32(content[: mark.start()])
