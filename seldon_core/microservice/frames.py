"""DataFrames, for the classes that use pandas; it is imported only where it is there and needed."""

import sys
from collections.abc import Mapping
from typing import Any

from seldon_core.protocols.errors import MessageError

__all__ = ["frame_of", "is_frame"]


def is_frame(value: Any) -> bool:
    """Whether `value` is a DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def frame_of(columns: Mapping[str, Any]) -> Any:
    """A DataFrame of columns, each one value per row: a list or an array of shape (n,) or (n, 1).

    Raises:
        MessageError: pandas is not there, or the columns are not all as long.
    """
    try:
        import pandas
    except ImportError:
        raise MessageError("content_type pd: pandas is not installed beside this model") from None
    try:
        return pandas.DataFrame({
            name: values.reshape(-1) if getattr(values, "ndim", 1) == 2 and values.shape[1] == 1 else values
            for name, values in columns.items()
        })  # fmt: skip
    except ValueError as error:
        raise MessageError(f"content_type pd: the tensors are no columns of one table: {error}") from None
