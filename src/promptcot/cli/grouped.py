"""Help for a verb with many options: in groups, with headings, and examples at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click


class Grouped(click.Command):
    """A command whose options are listed by group. `groups` has the names of options by heading; others come last."""

    def __init__(self, *args: Any, groups: Mapping[str, Sequence[str]], examples: Sequence[str], **given: Any) -> None:
        super().__init__(*args, **given)
        self.groups, self.examples = groups, examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under its heading."""
        records = {str(param.name): record for param in self.get_params(ctx) if (record := param.get_help_record(ctx))}
        known = [name for names in self.groups.values() for name in names]
        others = [name for name in records if name not in known]
        for heading, names in [*self.groups.items(), ("Other options", others)]:
            with formatter.section(heading):
                formatter.write_dl([records[name] for name in names])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, a line each."""
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
