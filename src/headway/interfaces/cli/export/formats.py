"""How exported rows are written: as JSON Lines, CSV or Parquet, a bounded number in memory at a time."""

from __future__ import annotations

import csv
import importlib
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, BinaryIO, cast

from headway.domain.errors import HeadwayError, InvalidInput

Row = dict[str, Any]
GROUP = 10_000  # rows of one row group of Parquet
_INTEGERS = frozenset(
    {
        "number",
        "run",
        "run_number",
        "priority",
        "version",
        "entry_seq",
        "change_seq",
        "size",
        "rounds",
        "llm_calls",
    }
    | {
        "unpriced_calls",
        "total_runs",
        "succeeded_runs",
        "failed_runs",
        "duration_ms",
        "estimate_ms",
        "weight_ms",
    }
)
_FLOATS = frozenset({"progress", "value", "memory_mb"})
_FLAGS = frozenset({"inferred", "ok", "stored", "cache_hit"})


class MissingExtra(HeadwayError):
    """This format needs a library that is not installed."""

    slug = "missing-extra"


def write_jsonl(rows: Iterable[Row], stream: BinaryIO) -> int:
    """One JSON object per line; how many."""
    count = 0
    for row in rows:
        stream.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        count += 1
    return count


def write_csv(rows: Iterable[Row], stream: BinaryIO) -> int:
    """A heading and a line per row (RFC 4180); nested values are JSON, unknown ones empty; how many rows."""
    text = io.TextIOWrapper(
        stream, encoding="utf-8", errors="backslashreplace", newline="", write_through=True
    )
    writer, columns, count = csv.writer(text), list[str](), 0
    for row in rows:
        if not columns:
            columns = list(row)
            writer.writerow(columns)
        _require_known(row, columns)
        writer.writerow([_cell(row.get(name)) for name in columns])
        count += 1
    text.detach()
    return count


def write_parquet(rows: Iterable[Row], stream: BinaryIO) -> int:
    """A Parquet file; times are timestamps in UTC, nested values are JSON texts. How many rows.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    arrow, parquet = _library("pyarrow"), _library("pyarrow.parquet")
    count, writer, schema = 0, cast(Any, None), cast(Any, None)
    for group in _groups(rows, GROUP):
        if schema is None:
            schema = arrow.schema([(name, _column_type(arrow, name)) for name in group[0]])
            writer = parquet.ParquetWriter(stream, schema)
        for row in group:
            _require_known(row, schema.names)
        table = [{name: _value(name, row.get(name)) for name in schema.names} for row in group]
        writer.write_table(arrow.Table.from_pylist(table, schema=schema))
        count += len(group)
    if writer is not None:
        writer.close()
    return count


WRITERS: dict[str, Callable[[Iterable[Row], BinaryIO], int]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "parquet": write_parquet,
}


def require_library(form: str) -> None:
    """Raise MissingExtra before any work is done for a format that cannot be written here."""
    if form == "parquet":
        _library("pyarrow")


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "Parquet needs pyarrow, which is not installed", hint="pip install 'headway[parquet]'"
        ) from error


def _groups(rows: Iterable[Row], size: int) -> Iterator[Sequence[Row]]:
    waiting = iter(rows)
    while group := list(islice(waiting, size)):
        yield group


def _require_known(row: Row, columns: Sequence[str]) -> None:
    unknown = row.keys() - set(columns)
    if unknown:
        raise InvalidInput(
            f"a row has the field {sorted(unknown)[0]!r}, which the first one had not; use JSON Lines"
        )


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value


def _value(name: str, value: Any) -> Any:
    """A value as its column has it."""
    if value is None or name in _INTEGERS or name in _FLOATS or name in _FLAGS:
        return value
    if _is_time(name):
        return datetime.fromisoformat(value)
    if _is_count(name):
        return value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_time(name: str) -> bool:
    return name == "at" or name.endswith("_at")


def _is_count(name: str) -> bool:
    return name.endswith(("_tokens", "_seconds"))


def _column_type(arrow: Any, name: str) -> Any:
    if _is_time(name):
        return arrow.timestamp("us", tz="UTC")
    if name in _INTEGERS or name.endswith("_tokens"):
        return arrow.int64()
    if name in _FLOATS or name.endswith("_seconds"):
        return arrow.float64()
    return arrow.bool_() if name in _FLAGS else arrow.string()
