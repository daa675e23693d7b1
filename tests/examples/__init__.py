"""What README, docs and examples show is what happens."""
