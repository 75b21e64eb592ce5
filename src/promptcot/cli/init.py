"""`promptcot init`: creates the folder of a new domain."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from promptcot.cli.help import verb
from promptcot.cli.parameters import NEW_FOLDER
from promptcot.cli.report.console import say
from promptcot.cli.report.result import RESULT
from promptcot.domains.new import write_domain


@verb(
    "init",
    example="promptcot init puzzles --output-dir puzzles",
)
@click.argument("name", metavar="DOMAIN")
@click.option("--output-dir", type=NEW_FOLDER, help="Folder to create.  [default: ./DOMAIN]")
def command(name: str, output_dir: Path | None) -> int:
    """Create a folder for a new domain, with commented prompts, criteria, levels, concepts and a recipe.

    The files work as they are, for reasoning problems of any kind; their comments say what to change for your domain.
    A folder that is not empty is never overwritten. See docs/domains.md.
    """
    folder = output_dir or Path(name)
    written = write_domain(name, folder)
    RESULT.add(folder=folder, recipe=folder / "recipe.toml")
    RESULT.wrote(*written)
    recipe = shlex.quote(str(folder / "recipe.toml"))
    say(f"{len(written)} files in {folder}: {', '.join(path.name for path in written)}")
    say(f"next:    read {folder / 'README.md'}, and describe in {folder / 'generate.jinja'} which problems you want")
    say("try it without a model:  promptcot mock-server")
    say(f"and in another terminal: promptcot run {recipe} --base-url http://127.0.0.1:8000/v1")
    return 0
