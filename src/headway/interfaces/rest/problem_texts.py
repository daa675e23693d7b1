"""What each type of problem means, in one sentence: those of the error tree, of single fields, and of HTTP."""

from __future__ import annotations

from collections.abc import Iterator

from headway.domain.errors import HeadwayError

FIELD_TEXTS = {
    "bad-text": "The text holds a NUL character or a lone surrogate, which no database can keep.",
    "deleted": "The task was deleted; its facts are no longer taken.",
    "hash-mismatch": "The size or SHA-256 given does not fit the content sent with it.",
    "missing-field": "A field that is needed is missing.",
    "not-finite": "The number is NaN or infinite.",
    "out-of-range": "The value lies outside the range, the time span or the set of choices in `limit`.",
    "part-exceeds-whole": "A part of the tokens is more than the whole that includes it.",
    "too-deep": "The JSON is nested deeper than `limit`.",
    "too-long": "The value is longer than `limit`.",
    "too-short": "The value is shorter than what is needed.",
    "unknown-field": "There is no such field; `limit` lists those there are.",
    "unknown-kind": "There is no such kind of fact, or clients may not report it.",
    "unknown-run": "The fact speaks of a run that follows one nobody has told of.",
    "wrong-type": "The value has another form than the field takes.",
}
HTTP_TEXTS = {
    "foreign-request": "The request comes from another web page, or under a name this server does not answer to.",
    "malformed-body": "The body is not what its content type or encoding says.",
    "method-not-allowed": "There is such a path, but not with this method.",
    "unsupported-media-type": "The body has a content type or encoding that is not read here.",
}


def _tree(error: type[HeadwayError]) -> Iterator[type[HeadwayError]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__ == HeadwayError.__module__:
            yield from _tree(child)


TEXTS: dict[str, str] = {
    **{error.slug: (error.__doc__ or "").partition("\n")[0] for error in _tree(HeadwayError)},
    **FIELD_TEXTS,
    **HTTP_TEXTS,
}
