"""Continuous batching for the embedded engine: rows join and leave between steps, and share key and value buffers.

All rows write their next token to the same column of the buffers; a row that joins late starts further right. At every
step the model therefore sees an ordinary left-padded batch, which any causal language model supports, and writing a
step is one slice. When the buffers are full, their content moves to the left edge of new ones. A row that leaves is
replaced by the last row. `worker` decides which requests run, when a row is done, and what happens to its text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from promptcot.engines.local.model import CACHE_ARGUMENTS, LoadedModel
from promptcot.engines.local.sampling import Settings, choose
from promptcot.records import Sampling

_ROOM = 64


@dataclass(eq=False)
class Draft:
    """A completion in progress: the prompt's tokens, the sampling settings, and the tokens so far."""

    ids: list[int]
    sampling: Sampling
    seed: int
    drawn: list[int] = field(default_factory=list)

    @property
    def tokens(self) -> list[int]:
        return self.ids + self.drawn


@dataclass
class _Window:
    """The part of the buffers that a forward pass uses: it reads columns from `first` and writes from `write` on."""

    rows: slice = field(default_factory=lambda: slice(0, 0))
    first: int = 0
    write: int = 0
    row_capacity: int = 0
    column_capacity: int = 0


class _Layer(CacheLayerMixin):  # type: ignore[misc]
    """Keys and values of one layer, (rows, heads, columns, dimensions); the window selects a part."""

    def __init__(self, window: _Window) -> None:
        super().__init__()
        self.window = window

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        self.keys, self.values = self._new(key_states), self._new(value_states)
        self.is_initialized = True

    def _new(self, like: Tensor) -> Tensor:
        # Zeros, because a masked column still counts with weight 0, and 0 times stray NaN is NaN.
        shape = (self.window.row_capacity, like.shape[1], self.window.column_capacity, like.shape[3])
        return like.new_zeros(shape)

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        rows, first, write = self.window.rows, self.window.first, self.window.write
        end = write + key_states.shape[2]
        self.keys[rows, :, write:end] = key_states
        self.values[rows, :, write:end] = value_states
        return self.keys[rows, :, first:end], self.values[rows, :, first:end]

    def get_seq_length(self) -> int:
        return self.window.write - self.window.first

    def get_mask_sizes(self, query: int | Tensor) -> tuple[int, int]:
        # transformers gives the number of queries; its first releases gave their positions
        return self.get_seq_length() + (query if isinstance(query, int) else len(query)), 0

    def get_max_length(self) -> int:
        return -1

    get_max_cache_shape = get_max_length  # what transformers called it at first

    def move(self, rows: int, old: slice, new: slice) -> None:
        """Copy the content of some rows and columns to other columns of new buffers."""
        for name in ("keys", "values"):
            before = getattr(self, name)
            after = self._new(before)
            after[:rows, :, new] = before[:rows, :, old]
            setattr(self, name, after)

    def copy_row(self, source: int, target: int) -> None:
        self.keys[target] = self.keys[source]
        self.values[target] = self.values[source]

    def bytes_per_token(self) -> int:
        parts = (self.keys, self.values)
        return int(sum(part.shape[1] * part.shape[3] * part.element_size() for part in parts))


class _Marks:
    """The tokens that each row contains, (rows, vocabulary); None while no row `needs` them. `of` returns a draft's
    tokens.
    """

    def __init__(
        self, device: torch.device, needs: Callable[[Sampling], bool], of: Callable[[Draft], list[int]]
    ) -> None:
        self.table: Tensor | None = None
        self._device, self._needs, self._of = device, needs, of

    def append(self, present: Sequence[Draft], joining: Sequence[Draft], vocabulary: int) -> None:
        if self.table is not None:
            self.table = torch.cat([self.table, self._new(joining, vocabulary)])
        elif any(self._needs(draft.sampling) for draft in joining):
            self.table = self._new([*present, *joining], vocabulary)

    def _new(self, drafts: Sequence[Draft], vocabulary: int) -> Tensor:
        """The marks of drafts; left empty if none needs them."""
        table = torch.zeros(len(drafts), vocabulary, dtype=torch.bool, device=self._device)
        for row, draft in zip(table, drafts, strict=True):
            if self._needs(draft.sampling):
                row[torch.tensor(self._of(draft), dtype=torch.int64, device=self._device)] = True
        return table

    def of(self, rows: slice) -> Tensor | None:
        return None if self.table is None else self.table[rows]

    def note(self, rows: slice, tokens: Tensor) -> None:
        """Mark the token that each row has drawn."""
        if self.table is not None:
            self.table[rows].scatter_(1, tokens.unsqueeze(1), True)

    def keep(self, rows: Tensor) -> None:
        self.table = self.table[rows] if self.table is not None and len(rows) else None


class Batch:
    """The drafts in progress, at most `capacity`, in at most about `memory` bytes of keys and values.

    To be used in one thread, under `torch.inference_mode`.
    """

    def __init__(self, model: LoadedModel, capacity: int, memory: int) -> None:
        self.drafts: list[Draft] = []
        self._model, self._capacity, self._memory = model, capacity, memory
        self._accepts = model.accepts
        self._window = _Window()
        self._cache = Cache(layer_class_to_replicate=lambda: _Layer(self._window))
        self._starts: list[int] = []
        self._begins = self._integers([])
        self._last = self._integers([])
        self._steps = self._integers([])
        self._settings = Settings.of([], model.device)
        self._seen = _Marks(model.device, lambda asked: asked.repetition_penalty != 1, lambda draft: draft.tokens)
        self._written = _Marks(model.device, lambda asked: bool(asked.presence_penalty), lambda draft: draft.drawn)

    def __len__(self) -> int:
        return len(self.drafts)

    def fits(self, lengths: Sequence[int]) -> bool:
        """Whether drafts of these lengths may join. The first of an empty batch always may."""
        rows = len(self) + len(lengths)
        return rows == 1 or (rows <= self._capacity and self._bytes(rows, max([self._span, *lengths])) <= self._memory)

    @property
    def _span(self) -> int:
        """The length of the longest row."""
        return self._window.write - min(self._starts, default=self._window.write)

    def _bytes(self, rows: int, span: int) -> int:
        """The size of buffers for this many rows and columns; 0 before the first pass has shown the shapes."""
        per_token: int = sum(layer.bytes_per_token() for layer in self._cache.layers)
        return per_token * self._row_capacity(rows) * _column_capacity(span)

    def _row_capacity(self, rows: int) -> int:
        return min(1 << (rows - 1).bit_length(), max(self._capacity, rows))

    def join(self, drafts: Sequence[Draft]) -> list[tuple[int, bool]]:
        """Add drafts and draw the next token of each: (token, whether the logits were finite)."""
        texts = [draft.tokens for draft in drafts]
        longest = max(map(len, texts))
        present = len(self)
        self._make_room(present + len(drafts), longest)
        window = self._window
        window.rows = slice(present, present + len(drafts))
        window.first, window.write = window.write - longest, window.write - longest
        starts = [window.first + longest - len(text) for text in texts]
        # Padded with a token of its own, so that a row whose numbers overflow can harm no other.
        ids = self._integers([text[:1] * (longest - len(text)) + text for text in texts])
        columns = torch.arange(window.first, window.first + longest, device=self._model.device)
        logits = self._forward(ids, columns, self._integers(starts).unsqueeze(1), columns)
        window.write += longest
        self._append(drafts, starts, logits.shape[1])
        return self._draw(logits, slice(present, None))

    def _append(self, drafts: Sequence[Draft], starts: list[int], vocabulary: int) -> None:
        for marks in (self._seen, self._written):
            marks.append(self.drafts, drafts, vocabulary)
        self.drafts += drafts
        self._starts += starts
        self._begins = self._integers(self._starts)
        nothing = self._integers([0] * len(drafts))
        self._last = torch.cat([self._last, nothing])
        self._steps = torch.cat([self._steps, self._integers([len(draft.drawn) for draft in drafts])])
        asked = [(draft.sampling, draft.seed) for draft in drafts]
        self._settings = self._settings.join(Settings.of(asked, self._model.device))

    def step(self) -> list[tuple[int, bool]]:
        """Draw the next token of every row: (token, whether the logits were finite)."""
        self._make_room(len(self), 0)
        window = self._window
        window.rows = slice(0, len(self))
        window.first = min(self._starts)
        columns = torch.arange(window.first, window.write + 1, device=self._model.device)
        logits = self._forward(self._last.unsqueeze(1), columns[-1:], self._begins.unsqueeze(1), columns)
        window.write += 1
        return self._draw(logits, slice(None))

    def _forward(self, ids: Tensor, queries: Tensor, begins: Tensor, columns: Tensor) -> Tensor:
        """Logits (rows, vocabulary) after the last of `ids`, which stand in the columns `queries` of the buffer."""
        arguments = {
            "input_ids": ids,
            "attention_mask": (columns >= begins).long(),
            "position_ids": (queries - begins).clamp_(min=0),
            **dict.fromkeys(CACHE_ARGUMENTS, self._cache),
            "use_cache": True,
            "logits_to_keep": 1,
        }
        known = {name: value for name, value in arguments.items() if name in self._accepts}
        logits: Tensor = self._model.network(**known).logits[:, -1]
        return logits

    def _draw(self, logits: Tensor, rows: slice) -> list[tuple[int, bool]]:
        settings, steps = self._settings, self._steps
        if rows.start:
            settings = settings.select(torch.arange(len(self), device=self._model.device)[rows])
        tokens, fit = choose(logits, settings, steps[rows], self._seen.of(rows), self._written.of(rows))
        self._last[rows] = tokens
        self._steps[rows] += 1
        for marks in (self._seen, self._written):
            marks.note(rows, tokens)
        return list(zip(tokens.tolist(), fit.tolist(), strict=True))

    def leave(self, rows: Sequence[int]) -> None:
        """Remove rows; the last ones move into their places."""
        order = list(range(len(self)))
        for row in sorted(rows, reverse=True):
            last = order.pop()
            if row < len(order):
                order[row] = last
                for layer in self._cache.layers:
                    layer.copy_row(len(order), row)
        self.drafts = [self.drafts[row] for row in order]
        self._starts = [self._starts[row] for row in order]
        kept = self._integers(order)
        self._begins, self._last, self._steps = self._begins[kept], self._last[kept], self._steps[kept]
        self._settings = self._settings.select(kept)
        for marks in (self._seen, self._written):
            marks.keep(kept)

    def forget(self, row: int) -> None:
        """Clear a row's keys and values, so that non-finite values cannot affect the next row in its place."""
        for layer in self._cache.layers:
            layer.keys[row] = 0
            layer.values[row] = 0

    def surplus(self) -> list[int]:
        """The rows, counted from the last, that must leave before the next step for the memory to suffice."""
        rows = len(self)
        if self._window.write >= self._window.column_capacity:
            while rows > 1 and self._bytes(rows, self._span) > self._memory:
                rows -= 1
        return list(range(rows, len(self)))

    def _make_room(self, rows: int, longest: int) -> None:
        """Make sure that `rows` rows fit, with a free column to write, and `longest` columns before it."""
        window = self._window
        if not self.drafts:
            window.write = longest
        if rows <= window.row_capacity and longest <= window.write < window.column_capacity:
            return
        span = self._span
        write = max(span, longest)
        window.row_capacity = self._row_capacity(rows)
        window.column_capacity = _column_capacity(write)
        for layer in self._cache.layers:
            layer.move(len(self), slice(window.write - span, window.write), slice(write - span, write))
        self._starts = [start + write - window.write for start in self._starts]
        self._begins = self._integers(self._starts)
        window.write = write

    def _integers(self, values: Sequence[Any]) -> Tensor:
        return torch.tensor(values, dtype=torch.int64, device=self._model.device)


def _column_capacity(span: int) -> int:
    """Columns for rows of this length, with a quarter more to grow before the content must move again."""
    return span + span // 4 + _ROOM
