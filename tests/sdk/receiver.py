"""A real HTTP server on loopback that keeps the documented contract of `POST /api/v1/facts` and nothing else.

One high-water mark per producer; duplicates change nothing, gaps answer 409, and a test may tell it to refuse
facts, to answer with another status, or to want tasks stopped.
"""

import contextlib
import gzip
import json
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "hw_example"
Json = dict[str, Any]


class Receiver:
    """What arrived, and what the server shall say."""

    def __init__(self, port: int = 0) -> None:
        self.marks: dict[str, int] = defaultdict(int)
        self.facts: list[Json] = []  # applied, in order of arrival, without heartbeats
        self.heartbeats: list[Json] = []
        self.requests: list[Json] = []  # one per request: headers, producer, seqs, status
        self.answers: list[tuple[int, Json, dict[str, str]]] = []  # given instead, one per request
        self.refuse: Callable[[Json], Json | None] = lambda fact: None
        self.cancel: dict[str, str] = {}
        self.key = KEY
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver._connections.add(self.connection)

            def finish(self) -> None:
                receiver._connections.discard(self.connection)
                super().finish()

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    raw = gzip.decompress(raw)
                status, body, headers = receiver._take(dict(self.headers), self.path, raw)
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that was killed is no error here

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def wait_for(self, holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Returns as soon as it holds after a request; fails when it never does."""
        with self._changed:
            assert self._changed.wait_for(holds, timeout_s), f"never held; got {len(self.facts)} facts"

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """No request is answered before the end of the block."""
        with self._changed:
            yield

    def of_kind(self, kind: str) -> list[Json]:
        return [fact for fact in self.facts if fact["kind"] == kind]

    def kinds(self, task_id: str) -> list[str]:
        return [fact["kind"] for fact in self.facts if fact["task_id"] == task_id]

    def one(self, kind: str) -> Json:
        (fact,) = self.of_kind(kind)
        return fact

    def restore_backup(self, marks: dict[str, int]) -> None:
        """The server is as it was earlier."""
        with self._changed:
            self.marks.clear()
            self.marks.update(marks)

    def _take(self, headers: dict[str, str], path: str, raw: bytes) -> tuple[int, Json, dict[str, str]]:
        with self._changed:
            answer = self._answer(headers, path, raw)
            self.requests.append({"headers": headers, "path": path, "bytes": len(raw), "status": answer[0]})
            self._changed.notify_all()
        return answer

    def _answer(self, headers: dict[str, str], path: str, raw: bytes) -> tuple[int, Json, dict[str, str]]:
        if self.answers:
            return self.answers.pop(0)
        if headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"type": "/problems/not-authenticated"}, {}
        if path != "/api/v1/facts":
            return 404, {"type": "/problems/not-found"}, {}
        try:
            batch = json.loads(raw)
        except ValueError:
            return 400, {"type": "/problems/invalid-batch", "detail": "not JSON"}, {}
        facts = batch["facts"]
        if len(facts) > 10_000 or len(raw) > 8_000_000:
            return 413, {"type": "/problems/batch-too-large"}, {}
        return self._apply(batch["producer"], facts)

    def _apply(self, producer: str, facts: list[Json]) -> tuple[int, Json, dict[str, str]]:
        mark = self.marks[producer]
        seqs = [fact["seq"] for fact in facts]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs))), "the numbers of a batch are consecutive"
        if seqs[0] > mark + 1:
            return 409, {"type": "/problems/sequence-gap", "expected_seq": mark + 1}, {}
        new = [fact for fact in facts if fact["seq"] > mark]
        refused = []
        for fact in new:
            problem = self.refuse(fact)
            if problem is not None:
                refused.append({"seq": fact["seq"], **problem})
            elif fact["kind"] == "heartbeat":
                self.heartbeats.append(fact)
            else:
                self.facts.append({**fact, "producer": producer})
        self.marks[producer] = max(mark, seqs[-1])
        tasks = {fact["task_id"] for fact in facts}
        wishes = [
            {"task_id": task, "reason": reason} for task, reason in self.cancel.items() if task in tasks
        ]
        applied = len(new) - len(refused)
        return (
            200,
            {
                "acked_seq": self.marks[producer],
                "applied": applied,
                "duplicates": len(facts) - len(new),
                "refused": refused,
                "warnings": [],
                "cancel_requested": wishes,
            },
            {},
        )
