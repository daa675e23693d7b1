"""`headway demo`: several agents do real work on this machine and report it through the public SDK.

The modules besides `crew`, `surveyor` and `command` know nothing of Headway: they are the work.
"""
