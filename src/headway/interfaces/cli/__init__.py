"""The terminal's way to Headway: one module per command, each loaded only when it is called."""
