"""Imports pyarrow, an optional dependency, with one error that names the extra."""

from __future__ import annotations

from typing import Any

from promptcot.errors import InputError


def pyarrow(module: str) -> Any:
    try:
        import importlib

        return importlib.import_module(f"pyarrow.{module}")
    except ImportError as error:
        raise InputError(
            "Parquet files and remote files need pyarrow: pip install 'promptcot[parquet]'; or use local .jsonl files"
        ) from error
