"""Values of other libraries' classes, told and read without importing any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

MAX_REPR = 500
# As `type` itself has them: a metaclass can say something else.
_MODULE_OF: Callable[[type], Any] = type.__dict__["__module__"].__get__
_NAME_OF: Callable[[type], Any] = type.__dict__["__qualname__"].__get__
_MRO_OF: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__


@dataclass(frozen=True, slots=True)
class DataFrameRows:
    """The first rows of a data frame.

    Attributes:
        names: of the columns, as the frame has them: not always text, nor each of them once.
        rows: the values of each row; a missing value is None.
        more: how many rows there are besides.
    """

    names: Sequence[Any]
    rows: Iterator[tuple[Any, ...]]
    more: int


def rows_of(value: object, most: int) -> DataFrameRows | None:
    """The rows of a data frame, `most` of them at most; None for what is no data frame."""
    for kind in _MRO_OF(type(value)):
        read = _READERS.get((str(kind.__dict__.get("__module__")).partition(".")[0], kind.__name__))
        if read is not None:
            return read(value, most)
    return None


def _of_pandas(frame: Any, most: int) -> DataFrameRows:
    count = len(frame)
    frame = frame.iloc[:most]
    levels = [number for number, name in enumerate(frame.index.names) if name is not None]
    # An index that was given a name is data; one without is the number of the row.
    columns = [frame.index.get_level_values(number) for number in levels]
    columns += [frame.iloc[:, number] for number in range(frame.shape[1])]
    names = [*(frame.index.names[number] for number in levels), *frame.columns]
    return DataFrameRows(names, _rows([_of_series(column) for column in columns]), count - len(frame))


def _of_series(series: Any) -> list[Any]:
    missing = series.isna().tolist()
    return [None if is_missing else item for item, is_missing in zip(series.tolist(), missing, strict=True)]


def _of_polars(frame: Any, most: int) -> DataFrameRows:
    count = frame.height
    frame = frame.head(most)
    columns = [frame.get_column(name).to_list() for name in frame.columns]
    return DataFrameRows(frame.columns, _rows(columns), count - frame.height)


def _of_arrow(table: Any, most: int) -> DataFrameRows:
    count = table.num_rows
    table = table.slice(0, most)
    columns = [column.to_pylist() for column in table.columns]
    return DataFrameRows(table.column_names, _rows(columns), count - table.num_rows)


def _rows(columns: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    return zip(*columns, strict=True)


_READERS: dict[tuple[str, str], Callable[[Any, int], DataFrameRows]] = {
    ("pandas", "DataFrame"): _of_pandas,
    ("polars", "DataFrame"): _of_polars,
    ("pyarrow", "Table"): _of_arrow,
}


def class_name(value: object) -> str:
    """Module and name of the value's class, without calling anything of its own."""
    module, name = _MODULE_OF(type(value)), _NAME_OF(type(value))
    return f"{module if type(module) is str else '?'}.{name}".encode("utf-8", "backslashreplace").decode("utf-8")


def dumped_model(model: Any) -> Any:
    """A pydantic model's fields."""
    try:
        return model.model_dump(warnings=False)
    except Exception:  # noqa: BLE001 - a serializer of the model's own; the fields are there all the same
        return dict(cast("dict[str, Any]", vars(model)))


def listed(value: Any) -> Any:
    """An array or series as a list, a scalar as a plain value."""
    return value.tolist() if hasattr(value, "tolist") else value.to_list()


def unpacked(value: Any) -> Any:
    """As `listed`; a text for what Python has no class for."""
    plain = listed(value)
    if type(plain) is type(value):  # a number that Python has no class for
        return f"<{class_name(value)}: {str(value)[:MAX_REPR]}>"
    return plain
