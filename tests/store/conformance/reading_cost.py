"""How much a SQL database looks at to answer: counted, never timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event


def sqlite_steps(engine: Engine, read: Callable[[], None]) -> int:
    """Instructions of SQLite's virtual machine while `read` ran: some for every row that is looked at."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    def watch(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(count, 1)

    def forget(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(None, 0)

    event.listen(engine, "checkout", watch)
    event.listen(engine, "checkin", forget)
    try:
        read()
    finally:
        event.remove(engine, "checkout", watch)
        event.remove(engine, "checkin", forget)
    return steps[0]


def postgres_rows_read(engine: Engine, read: Callable[[], None]) -> int:
    """Rows that PostgreSQL's scans read for the statements of `read`, as EXPLAIN ANALYZE counts them."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        read()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as db:
        raw: Any = db.connection.driver_connection
        # A table of a few pages is read whole when statistics say so, which tells nothing of what it costs later.
        raw.execute("SET LOCAL enable_seqscan = off")
        plans = [
            raw.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters).fetchone()[0][0]["Plan"]
            for statement, parameters in asked
            if statement.startswith("SELECT")
        ]
    return sum(_rows_scanned(plan) for plan in plans)


def _rows_scanned(plan: dict[str, Any]) -> int:
    own = 0
    if "Scan" in plan["Node Type"]:
        removed = sum(plan.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        own = round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    return own + sum(_rows_scanned(part) for part in plan.get("Plans", ()))
