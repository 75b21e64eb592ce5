"""Lines that fit a terminal: long ones wrap between words, under where their text begins.

A word that is longer than the line, such as a path, is left to the terminal. So is a command, which is there to be
copied.
"""

from __future__ import annotations

import re
import textwrap

_BEGINNING = re.compile(r"\s*(\| )?")
_COMMAND = re.compile(r"\s*(\$ |promptcot [a-z-]+ )")


def fitted(text: str, width: int) -> str:
    """The lines of a text, each in as many lines of this width as it takes."""
    return "\n".join(line if len(line) <= width else _wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: int) -> str:
    if _COMMAND.match(line):
        return line
    found = _BEGINNING.match(line)
    start = found[0] if found else ""
    wrapper = textwrap.TextWrapper(width, start, start if start.endswith("| ") else f"{start}  ", expand_tabs=False)
    wrapper.break_long_words = wrapper.break_on_hyphens = wrapper.replace_whitespace = False
    return wrapper.fill(line[len(start) :])
