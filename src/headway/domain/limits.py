"""The sizes, ranges and closed sets that Headway's wire format allows. Light enough for the SDK to import."""

from __future__ import annotations

NAME_LENGTH = 255  # characters; also phases, kinds, units, model names
MESSAGE_LENGTH = 10_000  # characters (10 kB of ASCII)
STACK_LENGTH = 100_000  # characters
URL_LENGTH = 4_000  # characters
JSON_BYTES = 256_000  # one JSON field, encoded as UTF-8
JSON_DEPTH = 100  # nested objects and lists in one JSON field
ARTIFACT_BYTES = 1_000_000  # content sent inline
BATCH_FACTS = 10_000
BATCH_BYTES = 8_000_000  # after decompression
LABELS = 64  # labels or links of one thing
RUNS = 10_000  # attempts at one task
INTEGER = 2**53 - 1  # the largest integer every JSON reader keeps exact
TOKENS = 1_000_000_000_000  # of one sort in one call; sums over millions of calls must fit 64 bits
COST_USD = 1_000_000  # of one call, in dollars
DURATION_MS = 100 * 366 * 86_400_000  # a hundred years
EARLIEST = "2000-01-01T00:00:00+00:00"
LATEST = "2100-01-01T00:00:00+00:00"

STATUSES = ("pending", "running", "completed", "failed", "cancelled", "timeout")
FINAL_STATUSES = ("completed", "failed", "cancelled", "timeout")
LEVELS = ("debug", "info", "warning", "error", "critical")
METRIC_TYPES = (
    "counter",
    "gauge",
    "histogram",
    "timer",
    "status",
    "error_rate",
    "throughput",
    "latency",
    "custom",
)
ARTIFACT_TYPES = (
    "document",
    "image",
    "video",
    "audio",
    "code",
    "data",
    "log",
    "config",
    "model",
    "report",
    "summary",
    "chart",
)
PRIORITIES = (1, 2, 3)  # high, medium, low
CONFIG_RANGES = {"max_rounds": (1, 100), "max_revision_rounds": (0, 50), "memory_size": (1, 1000)}
