"""The load generator: a process of its own that sends prepared requests over keep-alive connections.

One loop over non-blocking sockets, so that it costs some microseconds per request and never is what is measured.
Each connection has one request in flight, as a producer has.
"""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any

import msgspec
import psutil

from benchmarks.serving import Server
from benchmarks.workload import encoded

_decode = msgspec.json.Decoder().decode
_RECEIVE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send."""

    connections: int
    facts: int  # about so many in all
    batch: int
    open_at_once: int = 1
    warm_up: int = 1  # requests per connection that are sent before the clock starts


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How it went; the warm-up is counted in `applied` only."""

    seconds: float
    requests: int
    facts: int
    applied: int  # all facts the server says it applied
    latencies_s: list[float]
    cpu_s: float  # of the generator while the clock ran
    server_cpu_s: float = 0.0  # of the server, warm-up included

    @property
    def server_us(self) -> float:
        """Microseconds of CPU that a fact costs the server, which a busy machine changes little."""
        return self.server_cpu_s / self.applied * 1e6

    def latency_ms(self, share: float) -> float:
        """A percentile of the time from the first byte sent to the last received."""
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1_000


class Refused(Exception):
    """The server did not take a batch."""


class _Line:
    """One connection with what it still has to send."""

    def __init__(self, address: tuple[str, int], requests: Sequence[bytes]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.waiting = deque(requests)
        self.unsent: memoryview = memoryview(b"")
        self.received = b""
        self.began = 0.0

    def begin(self) -> None:
        self.unsent = memoryview(self.waiting.popleft())
        self.received = b""
        self.began = time.perf_counter()
        self.send()

    def send(self) -> None:
        try:
            while self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
        except BlockingIOError:
            pass

    def go_on(self, events: int) -> dict[str, Any] | None:
        """Send and receive what is possible; the answer once it is whole."""
        if events & selectors.EVENT_WRITE:
            self.send()
        return self.answer() if events & selectors.EVENT_READ else None

    def answer(self) -> dict[str, Any] | None:
        """The whole answer, or None while it is still on its way."""
        got = self.socket.recv(_RECEIVE)
        if not got:
            raise Refused("the server closed the connection")
        self.received += got
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) < length:
            return None
        if b" 200 " not in head[:16]:
            raise Refused(f"{head[:200].decode()}: {body[:500].decode(errors='replace')}")
        answer: dict[str, Any] = _decode(body)
        if answer["refused"] or answer["duplicates"]:
            raise Refused(str(answer)[:500])
        return answer


def _exchange(lines: Sequence[_Line], each: int | None) -> tuple[int, list[float]]:
    """Send up to `each` (None: all) requests of every line; facts applied and the time of each request."""
    left = {line: len(line.waiting) if each is None else min(each, len(line.waiting)) for line in lines}
    applied, latencies = 0, []
    with selectors.DefaultSelector() as selector:
        for line in lines:
            if left[line]:
                line.begin()
                selector.register(line.socket, _wanted(line), line)
        while selector.get_map():
            for key, events in selector.select():
                line = key.data
                answer = line.go_on(events)
                if answer is not None:
                    latencies.append(time.perf_counter() - line.began)
                    applied += answer["applied"]
                    left[line] -= 1
                    if not left[line]:
                        selector.unregister(line.socket)
                        continue
                    line.begin()
                if key.events != _wanted(line):
                    selector.modify(line.socket, _wanted(line), line)
    return applied, latencies


def _wanted(line: _Line) -> int:
    return selectors.EVENT_READ | selectors.EVENT_WRITE if line.unsent else selectors.EVENT_READ


def _generate(server: Server, plan: Plan, bodies: list[list[bytes]] | None, pipe: Connection) -> None:
    try:
        bodies = bodies or encoded(plan.connections, plan.facts, plan.batch, open_at_once=plan.open_at_once)
        lines = [
            _Line(server.address, [server.post_head(len(body)) + body for body in sent]) for sent in bodies
        ]
        warm, _ = _exchange(lines, plan.warm_up)
        cpu, began = time.process_time(), time.perf_counter()
        applied, latencies = _exchange(lines, None)
        seconds = time.perf_counter() - began
        pipe.send(
            Report(
                seconds=seconds,
                requests=len(latencies),
                facts=applied,
                applied=applied + warm,
                latencies_s=latencies,
                cpu_s=time.process_time() - cpu,
            )
        )
    except Exception as error:  # noqa: BLE001 - the outermost loop of the process; the parent raises it
        pipe.send(error)


def run(server: Server, plan: Plan, bodies: list[list[bytes]] | None = None) -> Report:
    """Send what the plan says from another process.

    Args:
        server: Where to.
        plan: How much, over how many connections.
        bodies: For each connection the batches to send, instead of new tasks.

    Raises:
        Refused: The server did not take everything.
    """
    context = multiprocessing.get_context("spawn")
    before = _cpu_s(server.pid)
    ours, theirs = context.Pipe()
    process = context.Process(target=_generate, args=(server, plan, bodies, theirs))
    process.start()
    theirs.close()
    try:
        told = ours.recv()
    finally:
        process.join()
    if isinstance(told, Exception):
        raise told
    report: Report = told
    return replace(report, server_cpu_s=_cpu_s(server.pid) - before)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
