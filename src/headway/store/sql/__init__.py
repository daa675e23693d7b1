"""The ledger on SQLite and PostgreSQL: one code path, the few differences in `dialect`."""
