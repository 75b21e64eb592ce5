"""Makes text safe to print on a terminal or in a log: no cursor movement, no reversed writing direction.

Decides which characters are shown as escapes and how much foreign text a message quotes. Files keep text unchanged.
`redaction` removes secrets.
"""

from __future__ import annotations

import re

from promptcot.redaction import redacted

# Controls except line break and tab (C0, DEL, C1), other line separators, characters that change the writing direction,
# zero-width characters (except joiners, which scripts need), tags, and halves of surrogate pairs.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
# Terminal sequences in 7 and 8 bits: CSI, and strings (titles, clipboards, links) with their terminator.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]{0,4096}(?:\x07|\x1b\\|\x9c)"
)
LONGEST_QUOTE = 500
"""The most characters of a server's or a model's text that a message quotes."""


def printable(text: str) -> str:
    """The text with `�` for each terminal sequence, and escapes such as `\\x07` for other control characters and
    invisible characters.

    Line breaks (`\\n`) and tabs are kept; use `quoted` for foreign text.
    """
    return text if text.isascii() and text.isprintable() else _HIDDEN.sub(_escape, _SEQUENCE.sub("�", text))


def presentable(text: str) -> str:
    """The text without control characters and secrets. Every message and every printed line passes through this."""
    return redacted(printable(text))


def quoted(text: str, most: int = LONGEST_QUOTE) -> str:
    """Foreign text within a message: on one line and cut, so that no line of it can look like one of ours."""
    line = " ".join(text[: 4 * most].split())
    return printable(f"{line[:most]} …" if len(line) > most or len(text) > 4 * most else line)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
