"""Facts: the things that happen to a task, one frozen class per kind, and the rules their fields keep.

`parse` is the authority on what is a well-formed fact; faster decoders are generated from the same classes.
What a fact does to a task is not decided here but in `lifecycle`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar

from headway.domain import limits
from headway.domain.checks import CHECKS, Rule
from headway.domain.errors import InvalidFact

_NAME = Rule("text", high=limits.NAME_LENGTH)
_KEY = Rule("text", low=1, high=limits.NAME_LENGTH)  # what tasks are found and counted by
_MESSAGE = Rule("text", high=limits.MESSAGE_LENGTH)
_JSON = Rule("json", high=limits.JSON_BYTES)
_TEXTS = Rule("texts", high=limits.LABELS)
_COUNT = Rule("integer", low=0, high=limits.INTEGER)
_TOKENS = Rule("integer", low=0, high=limits.TOKENS)
_ID = Rule("id")


def _f(rule: Rule, default: Any = None) -> Any:
    return field(default=default, metadata={"rule": rule})


def _required(rule: Rule) -> Any:
    return field(metadata={"rule": rule.needed()})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that happened to a task. `seq` numbers it within its producer; `at` is aware."""

    kind: ClassVar[str] = ""
    seq: int = _required(Rule("integer", low=1, high=limits.INTEGER))
    task_id: str = _required(_ID)
    at: datetime = _required(Rule("time"))
    run: int | None = _f(Rule("integer", low=1, high=limits.RUNS))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described(Fact):
    """The descriptive fields shared by `created` and `updated`; None leaves a field as it is."""

    description: str | None = _f(_MESSAGE)
    project: str | None = _f(_KEY)  # slug or id
    agent: str | None = _f(_KEY)  # agent kind
    agent_id: str | None = _f(_KEY)
    task_type: str | None = _f(_KEY)
    priority: int | None = _f(Rule("choice", choices=limits.PRIORITIES))
    labels: dict[str, str] | None = _f(_TEXTS)
    parent_id: str | None = _f(_ID)
    input: Any = _f(_JSON)
    metadata: dict[str, Any] | None = _f(Rule("object", high=limits.JSON_BYTES))
    links: dict[str, str] | None = _f(_TEXTS)
    config: dict[str, Any] | None = _f(Rule("object", high=limits.JSON_BYTES))
    estimate_ms: int | None = _f(Rule("integer", low=0, high=limits.DURATION_MS))
    origin: dict[str, Any] | None = _f(Rule("object", high=limits.JSON_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(_Described):
    """The task exists, with what describes it; fills in a placeholder, never resets what is already known."""

    kind: ClassVar[str] = "created"
    name: str = _required(Rule("text", low=1, high=limits.NAME_LENGTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated(_Described):
    """Some descriptive fields have new values."""

    kind: ClassVar[str] = "updated"
    name: str | None = _f(Rule("text", low=1, high=limits.NAME_LENGTH))
    progress: float | None = _f(Rule("number", low=0, high=100))
    phase: str | None = _f(_NAME)
    message: str | None = _f(_MESSAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Links(Fact):
    """The task has these links besides those it had."""

    kind: ClassVar[str] = "links"
    links: dict[str, str] = _required(_TEXTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo(Fact):
    """What is known of one run beyond its state."""

    kind: ClassVar[str] = "run"
    plan: Any = _f(_JSON)
    memory_mb: float | None = _f(Rule("number", low=0, high=limits.INTEGER))
    rounds: int | None = _f(_COUNT)
    error_details: Any = _f(_JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Fact):
    """The work on the task began."""

    kind: ClassVar[str] = "started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Fact):
    """How far the work is: percent, phase and message, each optional."""

    kind: ClassVar[str] = "progress"
    progress: float | None = _f(Rule("number", low=0, high=100))
    message: str | None = _f(_MESSAGE)
    phase: str | None = _f(_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log(Fact):
    """A line in the task's log."""

    kind: ClassVar[str] = "log"
    message: str = _required(_MESSAGE)
    level: str = _f(Rule("choice", choices=limits.LEVELS), "info")
    progress: float | None = _f(Rule("number", low=0, high=100))
    phase: str | None = _f(_NAME)
    data: Any = _f(_JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmCall(Fact):
    """One leaf model call; `input_tokens` includes cache reads and writes, `output_tokens` reasoning."""

    kind: ClassVar[str] = "llm_call"
    provider: str = _required(_NAME)
    model: str = _required(_NAME)
    id: str | None = _f(_ID)
    input_tokens: int = _f(_TOKENS, 0)
    output_tokens: int = _f(_TOKENS, 0)
    cache_read_tokens: int = _f(_TOKENS, 0)
    cache_write_tokens: int = _f(_TOKENS, 0)
    reasoning_tokens: int = _f(_TOKENS, 0)
    cost_usd: str | float | None = _f(Rule("money", low=0, high=limits.COST_USD))
    duration_ms: int | None = _f(Rule("integer", low=0, high=limits.DURATION_MS))
    ok: bool = _f(Rule("flag"), True)
    error: str | None = _f(_MESSAGE)
    cache_hit: bool = _f(Rule("flag"), False)
    template: str | None = _f(_NAME)
    hold_id: str | None = _f(_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Fact):
    """A measured number."""

    kind: ClassVar[str] = "metric"
    name: str = _required(Rule("text", low=1, high=limits.NAME_LENGTH))
    value: float = _required(Rule("number"))
    type: str = _f(Rule("choice", choices=limits.METRIC_TYPES), "gauge")
    unit: str | None = _f(_NAME)
    labels: dict[str, str] | None = _f(_TEXTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact(Fact):
    """Something the task produced: described, and with its content when that is small."""

    kind: ClassVar[str] = "artifact"
    name: str = _required(Rule("text", low=1, high=limits.NAME_LENGTH))
    type: str = _f(Rule("choice", choices=limits.ARTIFACT_TYPES), "data")
    id: str | None = _f(_ID)
    content_type: str | None = _f(_NAME)
    content: str | None = _f(Rule("text", high=limits.ARTIFACT_BYTES * 4 // 3 + 4))
    encoding: str = _f(Rule("choice", choices=("utf-8", "base64")), "utf-8")
    sha256: str | None = _f(Rule("text", low=64, high=64))
    size: int | None = _f(_COUNT)
    uri: str | None = _f(Rule("text", high=limits.URL_LENGTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(Fact):
    """The work ended well."""

    kind: ClassVar[str] = "completed"
    result: Any = _f(_JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Fact):
    """The work ended with an error: `{message, type?, stack?}`."""

    kind: ClassVar[str] = "failed"
    error: dict[str, Any] = _required(Rule("object", high=limits.JSON_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Fact):
    """The work stopped because somebody wanted it to."""

    kind: ClassVar[str] = "cancelled"
    reason: str | None = _f(_MESSAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(Fact):
    """Somebody wants the work to stop."""

    kind: ClassVar[str] = "cancel_requested"
    reason: str = _required(Rule("text", low=1, high=limits.MESSAGE_LENGTH))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout(Fact):
    """Contact with the work was lost; only the server itself says so. `evidence` says what it saw."""

    kind: ClassVar[str] = "timeout"
    reason: str | None = _f(_MESSAGE)
    evidence: dict[str, Any] | None = _f(Rule("object", high=limits.JSON_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat(Fact):
    """The process that owns the task is alive; never stored."""

    kind: ClassVar[str] = "heartbeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(Fact):
    """A new run follows run `follows_run`."""

    kind: ClassVar[str] = "retried"
    follows_run: int = _required(Rule("integer", low=1, high=limits.RUNS))


KINDS: dict[str, type[Fact]] = {
    cls.kind: cls
    for cls in (
        Created,
        Updated,
        Links,
        RunInfo,
        Started,
        Progress,
        Log,
        LlmCall,
        Metric,
        Artifact,
        Completed,
        Failed,
        Cancelled,
        CancelRequested,
        Timeout,
        Heartbeat,
        Retried,
    )
}
SERVER_KINDS = frozenset({"timeout"})
RULES: dict[str, dict[str, Rule]] = {
    kind: {f.name: f.metadata["rule"] for f in fields(cls)} for kind, cls in KINDS.items()
}


def parse(raw: Mapping[str, Any], *, trusted: bool = False) -> tuple[Fact, list[str]]:
    """A well-formed fact from its wire shape, and the names of fields that no such fact has.

    Args:
        raw: The decoded JSON or MessagePack object.
        trusted: Whether kinds only the server may report are allowed.

    Raises:
        InvalidFact: With the problem, the field and the limit.
    """
    kind = raw.get("kind")
    cls = KINDS.get(kind) if isinstance(kind, str) else None
    if kind is None:
        raise InvalidFact("missing-field", "kind", "a fact needs a kind")
    if cls is None or (kind in SERVER_KINDS and not trusted):
        shown = ascii(kind[:50]) if isinstance(kind, str) else "this"
        raise InvalidFact("unknown-kind", "kind", f"{shown} is not a kind a client can report")
    rules = RULES[cls.kind]
    values: dict[str, Any] = {}
    for name, rule in rules.items():
        value = raw.get(name)
        if value is not None:
            values[name] = CHECKS[rule.form](name, value, rule)
        elif rule.required:
            raise InvalidFact("missing-field", name, f"a {kind} fact needs {name}")
    fact = cls(**values)
    check_whole(fact)
    return fact, [name for name in raw if name not in rules and name != "kind"]


def check_whole(fact: Fact) -> None:
    """Raise InvalidFact where fields that are fine one by one do not fit together."""
    check = WHOLE.get(fact.kind)
    if check is not None:
        check(fact)


def _check_tokens(call: Any) -> None:
    if call.cache_read_tokens + call.cache_write_tokens > call.input_tokens:
        raise InvalidFact(
            "part-exceeds-whole",
            "cache_read_tokens",
            "cache_read_tokens + cache_write_tokens is more than input_tokens, which includes them",
            limit=call.input_tokens,
        )
    if call.reasoning_tokens > call.output_tokens:
        raise InvalidFact(
            "part-exceeds-whole",
            "reasoning_tokens",
            "reasoning_tokens is more than output_tokens, which includes them",
            limit=call.output_tokens,
        )


def _check_artifact(artifact: Any) -> None:
    content = artifact_bytes(artifact)
    if content is None:
        return
    if len(content) > limits.ARTIFACT_BYTES:
        raise InvalidFact(
            "too-long",
            "content",
            "inline content is too large; send name, size and hash",
            limit=limits.ARTIFACT_BYTES,
        )
    if artifact.size is not None and artifact.size != len(content):
        raise InvalidFact(
            "hash-mismatch", "size", f"the content has {len(content)} bytes", limit=len(content)
        )
    if artifact.sha256 is not None and artifact.sha256.lower() != hashlib.sha256(content).hexdigest():
        raise InvalidFact("hash-mismatch", "sha256", "the content has another SHA-256")


def artifact_bytes(artifact: Any) -> bytes | None:
    """The inline content of an artifact fact, or None when it carries none.

    Raises:
        InvalidFact: The content is not the base64 it says it is.
    """
    if artifact.content is None:
        return None
    if artifact.encoding != "base64":
        return bytes(artifact.content, "utf-8")
    try:
        return base64.b64decode(artifact.content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidFact("wrong-type", "content", f"not base64: {error}") from None


def _check_described(fact: Any) -> None:
    if fact.parent_id == fact.task_id:
        raise InvalidFact("out-of-range", "parent_id", "a task cannot be its own parent")
    for name, (low, high) in limits.CONFIG_RANGES.items():
        value = (fact.config or {}).get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InvalidFact("out-of-range", f"config.{name}", f"must be {low} to {high}", limit=[low, high])


def _check_progress(fact: Any) -> None:
    if fact.progress is None and fact.message is None and fact.phase is None:
        raise InvalidFact("missing-field", "progress", "a progress fact needs progress, message or phase")


def _check_error(fact: Any) -> None:
    for name, high in (
        ("message", limits.MESSAGE_LENGTH),
        ("type", limits.NAME_LENGTH),
        ("stack", limits.STACK_LENGTH),
    ):
        value = fact.error.get(name)
        if value is not None:
            CHECKS["text"](f"error.{name}", value, Rule("text", high=high))
    if fact.error.get("message") is None:
        raise InvalidFact("missing-field", "error.message", "a failure needs a message")


WHOLE = {
    "llm_call": _check_tokens,
    "artifact": _check_artifact,
    "created": _check_described,
    "updated": _check_described,
    "progress": _check_progress,
    "failed": _check_error,
}
