"""Text as a person is shown it: on one terminal, in one log, nothing in it moves the cursor or turns the line around.

Decides which characters are shown as escapes, and how much of somebody else's text a message quotes. Files keep text
as it is. That no secret is shown is decided in `redaction`.
"""

from __future__ import annotations

import re

from promptcot.redaction import redacted

# Controls but line break and tab (C0, DEL, C1), other separators of lines, what turns the direction of writing, what
# takes no room (joiners, which scripts need, excepted), tags, and halves of surrogate pairs, which cannot be printed.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
# What terminals obey as a whole, in 7 bits and in 8: CSI, and strings (titles, clipboards, links) with their end.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"
)
LONGEST_QUOTE = 500
"""Characters of a server's or a model's text that a message repeats."""


def printable(text: str) -> str:
    """The text with `�` for whole sequences that a terminal obeys, and escapes such as `\\x07` for other characters
    that it obeys or does not show.

    Line breaks (`\\n`) and tabs stay: who quotes the text of others uses `quoted`.
    """
    return text if text.isascii() and text.isprintable() else _HIDDEN.sub(_escape, _SEQUENCE.sub("�", text))


def presentable(text: str) -> str:
    """The text without control characters and secrets: every message and every printed line goes through this."""
    return redacted(printable(text))


def quoted(text: str, most: int = LONGEST_QUOTE) -> str:
    """Somebody else's text within a message: on one line, and cut. A line of it could pass for one of ours."""
    line = " ".join(text[: 4 * most].split())
    return printable(f"{line[:most]} …" if len(line) > most or len(text) > 4 * most else line)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
