"""The REST API: one module per noun, shapes of answers, and the one table from errors to statuses."""
