"""Random damage to the bytes of a file, of the kinds that disks, crashes and editors cause, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable

import orjson

from promptcot.storage.checked import sealed

OTHERS = [sealed(b'{"source":"own","id":"p0","answer":"2"}\n'), sealed(b'{"key":"0","text":"a call of nobody"}\n')]
"""Whole lines of other files."""

FOREIGN = [
    b"\0",
    b"\xff\xfe",
    b"\n",
    b"\r\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b'"',
    b"}",
    b"{",
    b",",
    b"\xe2\x80\xa8",
    b"0",
]
_JSON = [b"null", b"[]", b"{}", b"7", b"-1", b'"x"', b"true", b"1e999", b"[[[]]]", b"99999999999999999999"]


def damaged(content: bytes, draws: random.Random) -> bytes:
    """The content with one kind of damage at one place."""
    return draws.choice(_KINDS)(content, draws)


def _range(content: bytes, draws: random.Random) -> tuple[int, int]:
    start = draws.randrange(len(content) + 1)
    return start, min(len(content), start + draws.choice([1, 1, 2, 8, 40, 300, 2000, 4096]))


def _flip(content: bytes, draws: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(draws.choice([1, 1, 2, 5])):
        data[draws.randrange(len(data))] ^= 1 << draws.randrange(8)
    return bytes(data)


def _zero(content: bytes, draws: random.Random) -> bytes:
    start, end = _range(content, draws)
    return content[:start] + bytes(end - start) + content[end:]


def _delete(content: bytes, draws: random.Random) -> bytes:
    start, end = _range(content, draws)
    return content[:start] + content[end:]


def _double(content: bytes, draws: random.Random) -> bytes:
    (start, end), place = _range(content, draws), draws.randrange(len(content) + 1)
    return content[:place] + content[start:end] + content[place:]


def _move(content: bytes, draws: random.Random) -> bytes:
    (start, end), place = _range(content, draws), draws.randrange(len(content) + 1)
    return content[:place] + content[start:end] + content[place + end - start :]


def _truncate(content: bytes, draws: random.Random) -> bytes:
    return content[: draws.randrange(len(content))]


def _head(content: bytes, draws: random.Random) -> bytes:
    return content[draws.randrange(len(content)) :]


def _insert(content: bytes, draws: random.Random) -> bytes:
    place = draws.randrange(len(content) + 1)
    return content[:place] + draws.choice([*FOREIGN, *OTHERS]) * draws.choice([1, 1, 3]) + content[place:]


def _noise(content: bytes, draws: random.Random) -> bytes:
    start, end = _range(content, draws)
    return content[:start] + draws.randbytes(end - start) + content[end:]


def _swap_lines(content: bytes, draws: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    one, other = draws.randrange(len(lines)), draws.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _join_lines(content: bytes, draws: random.Random) -> bytes:
    places = [place for place, byte in enumerate(content) if byte == 10]
    if not places:
        return content
    place = draws.choice(places)
    return content[:place] + content[place + 1 :]


def _line_ends(content: bytes, draws: random.Random) -> bytes:
    return content.replace(b"\n", draws.choice([b"\r\n", b"\n\n", b"\r"]))


def _one_of(classes: str) -> Callable[[bytes, random.Random], bytes]:
    """Another letter in the place of one letter, or another digit: the line stays valid JSON."""
    allowed = classes.encode()

    def change(content: bytes, draws: random.Random) -> bytes:
        places = [place for place, byte in enumerate(content) if byte in allowed]
        if not places:
            return content
        place = draws.choice(places)
        return content[:place] + bytes([draws.choice(allowed)]) + content[place + 1 :]

    return change


def _value(content: bytes, draws: random.Random) -> bytes:
    """A line, or one of its fields, replaced by valid JSON of another type; the checksum stays as it was."""
    lines = content.splitlines(keepends=True)
    place = draws.randrange(len(lines))
    try:
        found = orjson.loads(lines[place])
    except ValueError:
        found = None
    if not isinstance(found, dict) or not found or draws.random() < 0.2:
        lines[place] = draws.choice(_JSON) + b"\n"
    else:
        name = draws.choice([*found])
        found[name] = orjson.loads(draws.choice(_JSON[:7]))
        if draws.random() < 0.3:
            del found[name]
        lines[place] = orjson.dumps(found) + b"\n"
    return b"".join(lines)


_KINDS = [
    _flip,
    _zero,
    _delete,
    _double,
    _move,
    _truncate,
    _head,
    _insert,
    _noise,
    _swap_lines,
    _join_lines,
    _line_ends,
]
_KINDS += [_value, _one_of("abcdefghijklmnopqrstuvwxyz"), _one_of("0123456789")]
