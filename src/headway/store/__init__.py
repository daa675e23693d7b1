"""The store: one port, and the ledgers that serve it."""
