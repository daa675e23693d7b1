"""What is true, in pure functions and frozen values.

No clock, no I/O, no logging lives here: time, ids and randomness come in as arguments.
"""
