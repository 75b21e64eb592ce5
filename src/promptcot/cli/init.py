"""`promptcot init`: the folder of a new domain, to begin with."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from promptcot.cli.parameters import NEW_FOLDER
from promptcot.cli.report.console import say
from promptcot.cli.report.result import RESULT
from promptcot.domains.new import write_domain


@click.command("init")
@click.argument("name", metavar="DOMAIN")
@click.option("--output-dir", type=NEW_FOLDER, help="The folder to write.  [default: ./DOMAIN]")
def command(name: str, output_dir: Path | None) -> int:
    """Write the folder of a new domain: prompts, criteria, levels, concepts and a recipe, all with comments.

    It works at once, for reasoning problems of any kind; its comments say what to change for yours. Nothing is
    asked, and a folder that holds something is left alone. See docs/domains.md.
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
