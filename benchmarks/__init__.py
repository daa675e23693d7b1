"""Every figure the README quotes, one command each; `python -m benchmarks.run` runs them all and prints one table."""
