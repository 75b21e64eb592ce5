"""Reads a .zst file with any number of frames, and refuses a truncated one."""

from __future__ import annotations

import io
from typing import IO, Any

_AT_ONCE = 1 << 12
"""Compressed bytes read at once; they may expand a thousandfold."""


class Frames(io.RawIOBase):
    """The decompressed content of `file`, which it closes. Raises ZstdError for other bytes and truncated frames."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packed = self._ready = b""
        self._frame: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and (packed := self._packed or self._file.read(_AT_ONCE)):
            self._unpack(packed)
        if not self._ready and self._frame is not None:
            import zstandard

            raise zstandard.ZstdError("it ends in the middle of a frame")
        some = self._ready[: len(buffer)]
        buffer[: len(some)] = some
        self._ready = self._ready[len(some) :]
        return len(some)

    def _unpack(self, packed: bytes) -> None:
        import zstandard

        self._frame = self._frame or zstandard.ZstdDecompressor().decompressobj()
        self._ready, self._packed = self._frame.decompress(packed), b""
        if self._frame.eof:
            self._packed, self._frame = self._frame.unused_data, None

    def close(self) -> None:
        self._file.close()
        super().close()
