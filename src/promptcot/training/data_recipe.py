"""The recipe's section on training data: files, datasets, mixes, and how texts are read.

Decides keys, defaults and bounds; `training.data` reads the rows.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from promptcot.core.columns import checked
from promptcot.core.sections import Positive, Section
from promptcot.errors import UsageError

Share = Annotated[float, Field(ge=0, lt=1)]
_WEIGHTS_EXACT = 1e-6
"""The tolerance for the sum of the weights, for decimals like 0.333333."""


class Source(Section):
    """One of several files or datasets that are mixed, and its share of an epoch's rows.

    Unset values of `split`, `columns` and `chat` are those of `[data]`.
    """

    path: str
    weight: Annotated[float, Field(gt=0, le=1)]
    revision: str | None = None
    split: str | None = None
    columns: dict[str, str] | None = None
    chat: bool | None = None
    limit: Positive | None = None

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, columns: dict[str, str] | None) -> dict[str, str] | None:
        return None if columns is None else _fields_of_ours(columns)


class Data(Section):
    """Rows of `prompt` and `completion`, or of `messages`: files, or a dataset of the Hub with a pinned `revision`.

    Also reads rows of known data sets; for others `columns` maps the fields. Instead of `path`, `mix` names several
    sources with weights that sum to 1; an epoch has as many rows as all of them together.

    `validation` is a file, or the share of rows that is held out. `chat` renders prompts with the tokenizer's chat
    template; rows with `messages` are always rendered. `loss` selects the answers of a chat that have a loss: the last,
    or those of all `assistant` turns. `without_reasoning` handles an answer without reasoning after a prompt that opens
    the thinking: it is kept unchanged, the thinking is closed before it, or the row is dropped.

    `rows` and `tokens_per_row` are used if a dry run cannot count.
    """

    path: list[str] = Field(default_factory=list)
    mix: list[Source] = Field(default_factory=list)
    revision: str | None = None
    split: str = "train"
    validation: str | Share = 0.0
    chat: bool = False
    loss: Literal["last", "assistant"] = "last"
    without_reasoning: Literal["keep", "close", "drop"] = "keep"
    limit: Positive | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    rows: Positive | None = None
    tokens_per_row: Positive | None = None
    source: str | None = None
    """The source of the assumed counts."""

    @field_validator("columns")
    @classmethod
    def _known_fields(cls, columns: dict[str, str]) -> dict[str, str]:
        return _fields_of_ours(columns)

    @field_validator("path", mode="before")
    @classmethod
    def _one_path(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _path_or_mix(self) -> Self:
        if self.path and self.mix:
            raise ValueError(
                "path and mix cannot be combined: set path = [] (--set data.path=[]) to mix, or leave mix out"
            )
        if not self.path and not self.mix:
            raise ValueError("there are no rows: set path (--data_path), or mix")
        if self.mix and (self.revision or self.limit):
            raise ValueError("revision and limit apply to one file or dataset: set them in each entry of mix")
        weights = [source.weight for source in self.mix]
        if weights and not math.isclose(sum(weights), 1, rel_tol=0, abs_tol=_WEIGHTS_EXACT):
            summed = f"{' + '.join(f'{weight:g}' for weight in weights)} = {sum(weights):.7g}"
            meant = ", ".join(f"{weight / sum(weights):.6g}" for weight in weights)
            raise ValueError(f"the weights of mix must sum to 1; {summed}. In this proportion they are {meant}")
        return self

    @property
    def sources(self) -> list[Data]:
        """The data settings of each source of the mix; without a mix, this itself."""
        return [_alone(self, source) for source in self.mix] or [self]

    @property
    def paths(self) -> list[str]:
        """All files and datasets used for training."""
        return [path for source in self.sources for path in source.path]


def _alone(data: Data, source: Source) -> Data:
    own = {name: value for name in ("split", "columns", "chat") if (value := getattr(source, name)) is not None}
    named = {"path": [source.path], "mix": [], "revision": source.revision, "limit": source.limit}
    return data.model_copy(update={**named, **own})


def _fields_of_ours(columns: dict[str, str]) -> dict[str, str]:
    try:
        return checked(columns)
    except UsageError as error:
        raise ValueError(str(error).partition(": ")[2]) from error
