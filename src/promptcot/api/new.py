"""Creates the folder of a new domain, from Python."""

from __future__ import annotations

from pathlib import Path

from promptcot.domains.new import write_domain
from promptcot.storage.sources import refuse_address


def init(name: str, output_dir: str | Path | None = None) -> Path:
    """Write the folder of a new domain, `./NAME` by default: prompts, criteria, levels, concepts and a recipe.

    Returns the folder, which other functions accept as `prompts`. Raises UsageError for an invalid name, InputError if
    the folder is not empty.
    """
    folder = Path(name if output_dir is None else output_dir)
    refuse_address(folder, "the folder of a domain")
    write_domain(name, folder)
    return folder
