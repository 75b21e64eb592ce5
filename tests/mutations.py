"""Mutations of bytes: a fuzzer's variants of readable replies."""

import random

HOSTILE = [
    b"null",
    b"[]",
    b"{}",
    b"7",
    b"-1",
    b'""',
    b"true",
    b"NaN",
    b"[" * 50,
    b"[" * 900 + b"]" * 900,
    b'{"error":' * 900 + b"}" * 900,
    b"}" * 5,
    b"\xff",
    b"\\ud800",
    b"\r",
]
HOSTILE += [
    b"\n\n",
    b"data: ",
    b"[DONE]",
    b'"choices"',
    b'"finish_reason"',
    b"1e999",
    b"9" * 400,
    b"<think>",
    b"</think>",
]


def mutated(body: bytes, draws: random.Random) -> bytes:
    """The body with some bytes cut, doubled, changed, or replaced by what does harm elsewhere."""
    data = bytearray(body)
    for _ in range(draws.randint(1, 4)):
        start = draws.randrange(len(data) + 1)
        end = min(len(data), start + draws.choice([0, 1, 1, 4, 16, 200]))
        data[start:end] = draws.choice([b"", bytes(data[start:end]) * 2, draws.randbytes(1), draws.choice(HOSTILE)])
    return bytes(data)
