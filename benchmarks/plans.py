"""How a database answers a question: the plan of its slowest statement, and how large the database is."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine, make_url

from benchmarks import questions
from benchmarks.bulk import Built
from benchmarks.databases import connect
from benchmarks.questions import Ask
from headway.store.opening import open_store


async def plan_of(built: Built, ask: Ask) -> str:
    """EXPLAIN of the slowest statement that a question leads to, tried a few times."""
    statements: list[tuple[float, str, Any]] = []

    def before(
        db: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        context.began = time.perf_counter()

    def after(db: Connection, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        statements.append((time.perf_counter() - context.began, statement, parameters))

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "after_cursor_execute", after)
    store = open_store(built.url)
    await store.ledger.open()
    try:
        asked = await questions.prepare(store, built)
        statements.clear()
        for number in range(20):
            await ask(asked, random.Random(number))
    finally:
        await store.ledger.close()
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "after_cursor_execute", after)
    seconds, statement, parameters = max(statements, key=lambda one: one[0])
    return (
        f"{seconds * 1_000:.1f} ms: {statement}\n{parameters}\n{_explained(built.url, statement, parameters)}"
    )


def _explained(url: str, statement: str, parameters: Any) -> str:
    if url.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(make_url(url).database or "") as db:
            return "\n".join(str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))
    with connect(url) as db:
        rows = db.execute(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters).fetchall()  # type: ignore[arg-type]
    return "\n".join(row[0] for row in rows)


def bytes_of(url: str) -> int:
    """The size of a database with its indexes."""
    if url.startswith("sqlite"):
        return Path(make_url(url).database or "").stat().st_size
    with connect(url) as db:
        found = db.execute("SELECT pg_database_size(current_database())").fetchone()
    return int(found[0]) if found else 0
