"""Wraps long lines between words, to fit a terminal, under the beginning of their text.

Words longer than a line, such as paths, are left to the terminal; so are commands, which users copy.
"""

from __future__ import annotations

import re
import textwrap

_BEGINNING = re.compile(r"\s*(\| )?")
_COMMAND = re.compile(r"\s*(\$ |promptcot [a-z-]+ )")


def fitted(text: str, width: int) -> str:
    """The text with each line wrapped to this width."""
    return "\n".join(line if len(line) <= width else _wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    if _COMMAND.match(line):
        return line
    found = _BEGINNING.match(line)
    start = found[0] if found else ""
    wrapper = textwrap.TextWrapper(width, start, start if start.endswith("| ") else f"{start}  ", expand_tabs=False)
    wrapper.break_long_words = wrapper.break_on_hyphens = wrapper.replace_whitespace = False
    return wrapper.fill(line[len(start) :])
