"""One tree of errors; the first line of each docstring is its message, the objects concerned are attributes.

HeadwayError
├── InvalidInput            something the caller sent cannot be accepted
│   ├── InvalidFact         one fact (or one field) is malformed, too long or out of range
│   ├── InvalidBatch        the batch as a whole cannot be read
│   │   ├── BatchTooLarge
│   │   └── SequenceGap
│   ├── InvalidCursor
│   ├── UnsupportedFilter
│   └── IdempotencyMismatch
├── NotFound                it does not exist, or the actor may not see it
├── AccessDenied
│   ├── NotAuthenticated
│   └── NotAllowed
├── Conflict                the wish does not fit the state
│   ├── RefusedChange
│   ├── NotRestartable
│   └── StillRunning
├── Unavailable             try again later
│   ├── Overloaded
│   └── StoreUnavailable
└── SchemaOutdated
"""

from __future__ import annotations

from typing import Any, ClassVar


class HeadwayError(Exception):
    """Something went wrong in Headway."""

    slug: ClassVar[str] = "error"
    """The last part of the problem `type`; stable once published."""

    def __init__(self, detail: str | None = None, **concerned: Any) -> None:
        """Keep the message and the objects concerned (`concerned` must be JSON-ready)."""
        self.detail = detail or (type(self).__doc__ or "").partition("\n")[0]
        self.concerned = concerned
        super().__init__(self.detail)


class InvalidInput(HeadwayError):
    """What was sent cannot be accepted."""

    slug = "invalid-input"


class InvalidFact(InvalidInput):
    """The fact is malformed, too long or out of range."""

    slug = "invalid-fact"

    def __init__(self, slug: str, field: str, detail: str, *, limit: Any = None) -> None:
        """Name the problem, the field and the limit it broke."""
        concerned = {"field": field} if limit is None else {"field": field, "limit": limit}
        super().__init__(detail, **concerned)
        self.problem = slug
        self.field = field
        self.limit = limit


class InvalidBatch(InvalidInput):
    """The batch cannot be read."""

    slug = "invalid-batch"


class BatchTooLarge(InvalidBatch):
    """The batch is larger than Headway takes at once."""

    slug = "batch-too-large"


class SequenceGap(InvalidBatch):
    """Facts are missing between what Headway has from this producer and what was sent."""

    slug = "sequence-gap"

    def __init__(self, expected_seq: int, got_seq: int) -> None:
        """Say which number was expected next."""
        super().__init__(
            f"expected fact number {expected_seq} next, got {got_seq}",
            expected_seq=expected_seq,
            got_seq=got_seq,
        )
        self.expected_seq = expected_seq


class InvalidCursor(InvalidInput):
    """The cursor is not one that this list gave out."""

    slug = "invalid-cursor"


class UnsupportedFilter(InvalidInput):
    """The ledger has no index for this filter."""

    slug = "unsupported-filter"


class IdempotencyMismatch(InvalidInput):
    """The same Idempotency-Key was used before with another body."""

    slug = "idempotency-mismatch"


class NotFound(HeadwayError):
    """There is no such thing, or you may not see it."""

    slug = "not-found"


class AccessDenied(HeadwayError):
    """You may not do this."""

    slug = "access-denied"


class NotAuthenticated(AccessDenied):
    """A valid API key or a signed-in session is needed."""

    slug = "not-authenticated"


class NotAllowed(AccessDenied):
    """Your role may see this but not change it."""

    slug = "not-allowed"


class Conflict(HeadwayError):
    """The wish does not fit the state things are in."""

    slug = "conflict"


class RefusedChange(Conflict):
    """The task's state does not allow this change."""

    slug = "refused-change"


class NotRestartable(Conflict):
    """Only the process that owns tracked work can run it again."""

    slug = "not-restartable"


class StillRunning(Conflict):
    """The task still runs; cancel it first."""

    slug = "still-running"


class Unavailable(HeadwayError):
    """Headway cannot take this right now; try again later."""

    slug = "unavailable"


class Overloaded(Unavailable):
    """The ingest queue is full; send again after the given time."""

    slug = "overloaded"


class StoreUnavailable(Unavailable):
    """The database cannot be reached."""

    slug = "store-unavailable"


class SchemaOutdated(HeadwayError):
    """The database schema does not fit this version of Headway."""

    slug = "schema-outdated"


class DataRefused(InvalidInput):
    """The database cannot keep a value of this batch."""

    slug = "data-refused"
