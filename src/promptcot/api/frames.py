"""Converts rows to a pandas DataFrame or a Hugging Face dataset. Only this module imports the two libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from promptcot.errors import InputError
from promptcot.records import Row


def to_pandas(rows: Sequence[Row]) -> Any:
    """The rows as a pandas DataFrame. Raises InputError if pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise InputError("to_pandas needs pandas: pip install pandas") from error
    return pandas.DataFrame(list(rows))


def to_dataset(rows: Sequence[Row]) -> Any:
    """The rows as a `datasets.Dataset`. Raises InputError if datasets is not installed."""
    try:
        from datasets import Dataset
    except ImportError as error:
        raise InputError("to_dataset needs datasets: pip install 'promptcot[hub]'") from error
    names = dict.fromkeys(name for row in rows for name in row)  # from_list takes those of the first row alone
    try:
        return Dataset.from_dict({name: [row.get(name) for row in rows] for name in names})
    except (ValueError, TypeError, OverflowError) as error:  # pyarrow's errors are among these
        raise InputError(f"these rows do not fit into one table: {error}") from error
