"""The raw limit: the same fact rows written by COPY or executemany alone, in batches of the same size.

The tables have the columns and primary keys of Headway's; each batch is one commit, durable like Headway's own.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks.databases import connect

TABLES = ("hw_entry", "hw_llm_call")
Rows = dict[str, list[tuple[Any, ...]]]


def rate(url: str, batch: int, facts: int) -> float:
    """Facts per second that the bare database takes: those already in Headway's tables, written once more.

    Args:
        url: A database into which facts were ingested.
        batch: Facts in one commit.
        facts: Write at most so many.
    """
    return _sqlite(url, batch, facts) if url.startswith("sqlite") else _postgres(url, batch, facts)


def _batches(rows: Rows, batch: int, facts: int) -> list[Rows]:
    """The rows cut into commits of `batch` facts, each with its share of every table."""
    whole = sum(len(found) for found in rows.values())
    count = max(1, min(facts, whole) // batch)
    share = {name: len(found) * batch / whole for name, found in rows.items()}
    return [
        {name: found[round(share[name] * n) : round(share[name] * (n + 1))] for name, found in rows.items()}
        for n in range(count)
    ]


def _measured(batches: Sequence[Rows], seconds: float) -> float:
    return sum(len(rows) for batch in batches for rows in batch.values()) / seconds


def _postgres(url: str, batch: int, facts: int) -> float:
    with connect(url) as db:
        rows = {}
        for name in TABLES:
            db.execute(f"DROP TABLE IF EXISTS raw_{name}")
            db.execute(f"CREATE TABLE raw_{name} (LIKE {name} INCLUDING DEFAULTS)")
            key = "tenant_id, task_id, " + ("entry_seq" if name == "hw_entry" else "id")
            db.execute(f"ALTER TABLE raw_{name} ADD PRIMARY KEY ({key})")
            rows[name] = _postgres_rows(db, name, facts)
        db.commit()
        batches = _batches(rows, batch, facts)
        began = time.perf_counter()
        for part in batches:
            with db.cursor() as cursor:
                for name, found in part.items():
                    with cursor.copy(f"COPY raw_{name} FROM STDIN") as copy:
                        for row in found:
                            copy.write_row(row)
            db.commit()
        return _measured(batches, time.perf_counter() - began)


def _postgres_rows(db: Any, name: str, facts: int) -> list[tuple[Any, ...]]:
    kinds = db.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s"
        " AND table_schema = current_schema() ORDER BY ordinal_position",
        (name,),
    ).fetchall()
    named = ", ".join(f"{column}::text" if kind in ("uuid", "jsonb") else column for column, kind in kinds)
    found: list[tuple[Any, ...]] = db.execute(
        f"SELECT {named} FROM {name} ORDER BY task_id LIMIT {facts}"
    ).fetchall()
    return found


def _sqlite(url: str, batch: int, facts: int) -> float:
    db = sqlite3.connect(make_url(url).database or "", isolation_level=None)
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-32000"):
            db.execute(f"PRAGMA {pragma}")
        rows = {}
        for name in TABLES:
            shape = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
            db.execute(f"DROP TABLE IF EXISTS raw_{name}")
            db.execute(re.sub(rf'"?\b{name}\b"?', f"raw_{name}", shape, count=1))
            rows[name] = db.execute(f"SELECT * FROM {name} ORDER BY task_id LIMIT {facts}").fetchall()
        batches = _batches(rows, batch, facts)
        began = time.perf_counter()
        for part in batches:
            db.execute("BEGIN IMMEDIATE")
            for name, found in part.items():
                if found:
                    marks = ", ".join("?" * len(found[0]))
                    db.executemany(f"INSERT INTO raw_{name} VALUES ({marks})", found)
            db.execute("COMMIT")
        return _measured(batches, time.perf_counter() - began)
    finally:
        db.close()
