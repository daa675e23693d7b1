"""`POST /facts`: batches of producers, on the shortest way from bytes to ingest and back.

A plain ASGI endpoint: it is asked thousands of times a second, and frameworks cost more than the facts do.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from headway.domain.errors import HeadwayError
from headway.domain.task import Refusal
from headway.interfaces.rest import body as bodies
from headway.interfaces.rest.credentials import actor_of
from headway.interfaces.rest.problems import TYPE_PREFIX, problem_response
from headway.interfaces.rest.wire import Incoming, printable, read_batch
from headway.services.identity import IdentityService
from headway.services.recording import RecordingService

PATH = "/api/v1/facts"
_THREAD_FROM_BYTES = 500_000  # larger bodies are decoded beside the event loop
_encode = msgspec.json.Encoder().encode
_HEADERS = [(b"content-type", b"application/json")]


class FactsEndpoint:
    """Answers `POST /facts`."""

    def __init__(
        self,
        identity: IdentityService,
        recording: RecordingService,
        *,
        batch_bytes: int,
        batch_facts: int,
        budget_bytes: int,
    ) -> None:
        """Take batches up to these sizes, and so many bytes at once."""
        self._identity = identity
        self._recording = recording
        self._batch_bytes = batch_bytes
        self._batch_facts = batch_facts
        self._budget = bodies.Budget(budget_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            content = await self._take(scope, receive)
        except HeadwayError as error:
            await problem_response(error)(scope, receive, send)
            return
        except ClientDisconnect:
            return
        headers = [*_HEADERS, (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _take(self, scope: Scope, receive: Receive) -> bytes:
        actor = await actor_of(scope, self._identity)
        actor.require_write()
        headers = bodies.headers_of(scope)
        msgpack = bodies.is_msgpack(headers)
        with self._budget.reserved(bodies.announced_size(headers, self._batch_bytes)):
            body = await bodies.read_body(receive, headers, self._batch_bytes)
            received_at = datetime.now(UTC)
            incoming = await self._read(body, msgpack, received_at)
        done = await self._recording.receive(
            actor,
            producer=incoming.producer,
            items=incoming.items,
            offset=incoming.offset,
            received_at=received_at,
            size=len(body),
        )
        return _encode(
            {
                "acked_seq": done.acked_seq,
                "applied": done.applied,
                "duplicates": done.duplicates,
                "refused": [refusal_json(refusal) for refusal in done.refused],
                "warnings": incoming.warnings,
                "cancel_requested": [
                    {"task_id": task_id, "reason": reason} for task_id, reason in done.cancel_requested
                ],
            }
        )

    async def _read(self, body: bytes, msgpack: bool, received_at: datetime) -> Incoming:
        if len(body) < _THREAD_FROM_BYTES:
            return read_batch(body, msgpack=msgpack, received_at=received_at, max_facts=self._batch_facts)
        return await asyncio.to_thread(
            read_batch, body, msgpack=msgpack, received_at=received_at, max_facts=self._batch_facts
        )


def refusal_json(refusal: Refusal) -> dict[str, Any]:
    """A refused fact as producers are told: what is not known or does not apply is left out."""
    told: dict[str, Any] = {
        "seq": refusal.seq,
        "type": TYPE_PREFIX + refusal.slug,
        "status": refusal.status,
        "detail": printable(refusal.detail, 2_000),
    }
    for name in ("task_id", "kind", "field", "limit"):
        value = getattr(refusal, name)
        if value is not None:
            told[name] = value
    return told
