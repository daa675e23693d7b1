"""What Headway can do, in verbs; the only callers of the store."""
