"""What runs in the user's own process: reporting work, and reading it back.

It depends on the standard library and on `headway.domain` alone, and loads what it needs when it is needed.
"""
