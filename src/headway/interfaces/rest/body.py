"""Reading request bodies within bounds: sizes, encodings and content types; what is in them is for `wire`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from headway.domain import limits
from headway.domain.errors import BatchTooLarge, Overloaded
from headway.interfaces.rest.problems import UnsupportedMediaType
from headway.interfaces.rest.wire import MalformedBody, decode

_GZIP = zlib.MAX_WBITS | 16
_JSON_TYPES = frozenset({"application/json", "text/json"})
_MSGPACK_TYPES = frozenset({"application/msgpack", "application/x-msgpack", "application/vnd.msgpack"})


class Budget:
    """How many bytes of requests may be in memory at once, before their facts stand in the queue."""

    def __init__(self, most: int) -> None:
        """Allow `most` bytes."""
        self._left = most

    @contextmanager
    def reserved(self, size: int) -> Iterator[None]:
        """These bytes are taken while the block runs.

        Raises:
            Overloaded: So many are not left.
        """
        if size > self._left:
            raise Overloaded(
                "too many large requests at once; send again after the given time", retry_after_s=1
            )
        self._left -= size
        try:
            yield
        finally:
            self._left += size


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The request's headers by lower-case name; of repeated ones the last."""
    return dict(scope["headers"])


def is_msgpack(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body is MessagePack rather than JSON.

    Raises:
        UnsupportedMediaType: It says that it is something else.
    """
    sent = headers.get(b"content-type", b"application/json").partition(b";")[0].strip().lower()
    media_type = sent.decode("latin-1")
    if media_type in _MSGPACK_TYPES:
        return True
    if media_type in _JSON_TYPES:
        return False
    raise UnsupportedMediaType(
        f"a body of {media_type[:100]!r} is not read here",
        field="Content-Type",
        limit=["application/json", "application/msgpack"],
    )


def announced_size(headers: Mapping[bytes, bytes], most: int) -> int:
    """The size the body will have, `most` where it is not announced.

    Raises:
        BatchTooLarge: It will be larger than that.
    """
    text = headers.get(b"content-length", b"")
    size = int(text) if text.isdigit() and len(text) < 20 else most
    if size > most:
        raise _too_large(most)
    return size


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], most: int) -> bytes:
    """The body, decompressed.

    Raises:
        BatchTooLarge: It has more than `most` bytes, compressed or not.
        MalformedBody: It is not the gzip it says it is.
        UnsupportedMediaType: It is compressed in another way.
        ClientDisconnect: The client is gone.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts, size = [body], len(body)
        while message.get("more_body") and size <= most:
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        body = b"".join(parts)
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if len(body) > most:
        raise _too_large(most)
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding in (b"", b"identity"):
        return body
    if encoding == b"gzip":
        return inflate(body, most)
    raise UnsupportedMediaType(
        f"the encoding {encoding.decode('latin-1')[:100]!r} is not read here",
        field="Content-Encoding",
        limit=["gzip", "identity"],
    )


def inflate(body: bytes, most: int) -> bytes:
    """The content of a gzip body, never more than `most` bytes of it in memory.

    Raises:
        BatchTooLarge: There is more.
        MalformedBody: It is not one whole gzip member.
    """
    inflater = zlib.decompressobj(_GZIP)
    try:
        content = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise MalformedBody(f"the body is not gzip: {error}") from None
    if len(content) > most:
        raise _too_large(most)
    if not inflater.eof or inflater.unused_data:
        raise MalformedBody("the body is not one whole gzip member")
    return content


async def read_object(scope: Scope, receive: Receive) -> tuple[Any, bytes]:
    """The decoded JSON or MessagePack of a single write, and its bytes; no body is an empty object."""
    headers = headers_of(scope)
    announced_size(headers, limits.BATCH_BYTES)
    body = await read_body(receive, headers, limits.BATCH_BYTES)
    if not body:
        return {}, body
    return decode(body, msgpack=is_msgpack(headers)), body


def _too_large(most: int) -> BatchTooLarge:
    return BatchTooLarge(f"the body has more than {most} bytes", field="body", limit=most)
