"""Brings a database's schema up to date with one Alembic chain, and says when it is not."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import make_url

from headway.domain.errors import SchemaOutdated
from headway.store.sql.engine import postgres_engine, sqlite_engine

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 4_920_251_122  # any number, the same in every process


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("version_table", "hw_alembic_version")
    return config


def revision_of(db: Connection) -> str | None:
    """The revision the database is at; None when it has no Headway tables."""
    return MigrationContext.configure(db, opts={"version_table": "hw_alembic_version"}).get_current_revision()


def newest_revision() -> str:
    """The revision this version of Headway works with."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def require_current(db: Connection, url: str) -> None:
    """Raise SchemaOutdated, naming the command to run, unless the schema fits this version."""
    found, wanted = revision_of(db), newest_revision()
    if found == wanted:
        return
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    shown = make_url(url).render_as_string(hide_password=True)
    if found is not None and found not in known:
        raise SchemaOutdated(f"{shown} was made by a newer Headway (revision {found}): install that version")
    raise SchemaOutdated(
        f"{shown} is at revision {found or 'none'}, this Headway needs {wanted}: run `headway migrate`"
    )


def _engine(url: str) -> Engine:
    sqlite = make_url(url).get_backend_name() == "sqlite"
    return sqlite_engine(url, size=1, immediate=True) if sqlite else postgres_engine(url, size=1)


def is_empty(url: str) -> bool:
    """Whether the database has no revision of Headway's schema."""
    engine = _engine(url)
    try:
        with engine.begin() as db:
            return revision_of(db) is None
    finally:
        engine.dispose()


def upgrade(url: str) -> list[str]:
    """Apply what is missing; the applied revisions, oldest first. Two processes may try at once."""
    sqlite = make_url(url).get_backend_name() == "sqlite"
    engine = _engine(url)
    try:
        with engine.begin() as db:
            if not sqlite:
                db.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            before = revision_of(db)
            config = _config()
            config.attributes["connection"] = db
            command.upgrade(config, "head")
            after = revision_of(db)
    finally:
        engine.dispose()
    if before == after:
        return []
    scripts = ScriptDirectory.from_config(_config())
    applied = [script.revision for script in scripts.iterate_revisions(after, before)]
    return applied[::-1]
