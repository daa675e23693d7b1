"""How the world talks to Headway: HTTP, a live stream and a terminal; no SQL and no rules are here."""
