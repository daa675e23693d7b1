"""Writes contributions to the tallies, in key order, for the tenant as a whole and for each cell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from headway.domain.contribution import Contribution
from headway.domain.tally import (
    GAUGE_MEASURES,
    LLM_MEASURES,
    PERIODS,
    RUN_MEASURES,
    WHOLE_TENANT,
    cell_key,
    start_of,
)
from headway.domain.task import Cell
from headway.store.sql import tables
from headway.store.sql.dialect import Dialect

_GAUGE_KEYS = ("tenant_id", "cell")
_TALLY_KEYS = ("tenant_id", "cell", "archived", "period", "start")
_LLM_KEYS = (*_TALLY_KEYS, "provider", "model", "template")

Sums = dict[tuple[Any, ...], list[int]]


def add_contribution(
    db: Connection,
    dialect: Dialect,
    tenant_id: str,
    contribution: Contribution,
    memory: Any,
    found: Any,
    *,
    archived: bool = False,
) -> None:
    """Add a contribution to the tallies; `archived` adds its run and LLM figures to what deleted rows had given.

    Args:
        db: The transaction.
        dialect: Of its database.
        tenant_id: Whose tallies.
        contribution: What to add.
        memory: What this process knows to be there (ingest.Memory).
        found: What this transaction made, to be remembered once it is committed.
        archived: Whether the rows behind it are being deleted.
    """
    _name_cells(db, dialect, tenant_id, contribution, memory, found)
    if not archived:
        gauges = sums_of_gauges(contribution)
        dialect.add(db, tables.gauge, _GAUGE_KEYS, GAUGE_MEASURES, _rows(tenant_id, gauges))
    runs = sums_of_runs(contribution, archived)
    dialect.add(db, tables.tally, _TALLY_KEYS, RUN_MEASURES, _rows(tenant_id, runs))
    llm = sums_of_llm(contribution, archived)
    dialect.add(db, tables.llm_tally, _LLM_KEYS, LLM_MEASURES, _rows(tenant_id, llm))


def _rows(tenant_id: str, sums: Sums) -> list[tuple[Any, ...]]:
    return [(tenant_id, *key, *amounts) for key, amounts in sorted(sums.items()) if any(amounts)]


def _add(sums: Sums, key: tuple[Any, ...], amounts: Iterable[int]) -> None:
    known = sums.get(key)
    sums[key] = list(amounts) if known is None else [a + b for a, b in zip(known, amounts, strict=True)]


def sums_of_gauges(contribution: Contribution) -> Sums:
    """Gauge amounts by (cell key,), the whole tenant included."""
    sums: Sums = {}
    for cell, amounts in contribution.gauges.items():
        _add(sums, (WHOLE_TENANT,), amounts)
        _add(sums, (cell_key(cell),), amounts)
    return sums


def sums_of_runs(contribution: Contribution, archived: bool) -> Sums:
    """Run amounts by (cell key, archived, period, start), the whole tenant included."""
    sums: Sums = {}
    for (cell, quarter), amounts in contribution.runs.items():
        for key in (WHOLE_TENANT, cell_key(cell)):
            for period in PERIODS:
                _add(sums, (key, archived, period, start_of(period, quarter)), amounts)
    return sums


def sums_of_llm(contribution: Contribution, archived: bool) -> Sums:
    """LLM amounts by (cell key, archived, period, start, provider, model, template), the whole tenant included."""
    sums: Sums = {}
    for (cell, quarter, *names), amounts in contribution.llm.items():
        for key in (WHOLE_TENANT, cell_key(cell)):
            for period in PERIODS:
                _add(sums, (key, archived, period, start_of(period, quarter), *names), amounts)
    return sums


def cells_of(contribution: Contribution) -> set[Cell]:
    """Every cell a contribution speaks of."""
    return {
        *contribution.gauges,
        *(cell for cell, _ in contribution.runs),
        *(key[0] for key in contribution.llm),
    }


def _name_cells(
    db: Connection, dialect: Dialect, tenant_id: str, contribution: Contribution, memory: Any, found: Any
) -> None:
    rows = []
    for cell in cells_of(contribution):
        key = cell_key(cell)
        if (tenant_id, key) not in memory.cells:
            found.cells.add((tenant_id, key))
            rows.append((tenant_id, key, *cell))
    columns = ("tenant_id", "cell", "user_id", "project_id", "agent_kind")
    dialect.insert_missing(db, tables.cell, columns, sorted(rows, key=lambda row: row[1]))
