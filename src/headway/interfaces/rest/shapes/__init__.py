"""Shapes of answers: what REST clients read, name by name. A name once published stays."""
