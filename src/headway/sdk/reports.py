"""What a program can report about a task besides its state: logs, model calls, metrics, artifacts, links."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from headway.domain import limits
from headway.domain.ids import uuid7
from headway.sdk import artifact_files, description, wire
from headway.sdk.description import Description
from headway.sdk.spool import Weight

if TYPE_CHECKING:
    from decimal import Decimal

    from headway.sdk.outbox import Outbox


class Reports:
    """The reports of one task; `TaskHandle` adds its state."""

    __slots__ = ("_outbox", "id", "run")

    _outbox: Outbox
    id: str
    run: int | None  # number of the attempt; None where another process counts

    def create(self) -> object:
        """The server is told that the task exists, unless it was."""
        raise NotImplementedError

    def log(
        self,
        message: object,
        level: str = "info",
        *,
        data: Any = None,
        progress: float | None = None,
        phase: str | None = None,
    ) -> None:
        """A line in the task's log.

        Args:
            message: cut visibly beyond 10,000 characters.
            level: debug, info, warning, error or critical.
            data: anything that JSON can hold.
            progress: percent done at that moment.
            phase: the part of the work.

        Raises:
            ValueError: The level or the progress is not one.
        """
        writer = self._outbox.writer
        fields = {
            "level": wire.choice("level", level, limits.LEVELS),
            "message": writer.text(message, limits.MESSAGE_LENGTH),
            "progress": None if progress is None else wire.percent(progress),
            "phase": None if phase is None else writer.text(phase, limits.NAME_LENGTH),
            "data": writer.data("data", data),
        }
        self._write("log", fields, weight=Weight.LIGHT)

    def llm_call(
        self,
        provider: str,
        model: str,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
        cost_usd: Decimal | float | str | None = None,
        duration_ms: float | None = None,
        ok: bool = True,
        error: object = None,
        cache_hit: bool = False,
        template: str | None = None,
        hold_id: str | None = None,
        id: str | None = None,
    ) -> str:
        """One call of a language model was made.

        Args:
            provider: who answered.
            model: as the provider names it.
            input_tokens: all that went in, cache reads and writes included.
            output_tokens: all that came out, reasoning included.
            cache_read_tokens: part of the input.
            cache_write_tokens: part of the input.
            reasoning_tokens: part of the output.
            cost_usd: as the provider reported it; left out, the server computes it from its price table.
            duration_ms: milliseconds the call took.
            ok: whether it succeeded.
            error: why it did not.
            cache_hit: whether the answer came from a cache of your own and cost nothing.
            template: name of the prompt template.
            hold_id: the budget reservation that it settles.
            id: of the call, so that reporting it twice counts once.

        Returns:
            The id of the call.

        Raises:
            ValueError: A count is negative, a part larger than its whole, a name empty or too long, an id no UUID.
        """
        call_id = description.uuid("id", id) or uuid7()
        tokens = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cache_read_tokens": cache_read_tokens,
            "cache_write_tokens": cache_write_tokens,
            "reasoning_tokens": reasoning_tokens,
        }
        fields = {
            "id": call_id,
            "provider": wire.name("provider", provider, required=True),
            "model": wire.name("model", model, required=True),
            **wire.token_counts(tokens),
            "cost_usd": wire.dollars("cost_usd", cost_usd),
            "duration_ms": None if duration_ms is None else wire.milliseconds("duration_ms", duration_ms),
            "ok": bool(ok),
            "error": None if error is None else self._outbox.writer.text(error, limits.MESSAGE_LENGTH),
            "cache_hit": bool(cache_hit),
            "template": wire.name("template", template),
            "hold_id": description.uuid("hold_id", hold_id),
        }
        self._write("llm_call", fields)
        return call_id

    def metric(
        self,
        name: str,
        value: float,
        *,
        unit: str | None = None,
        type: str = "gauge",
        labels: Mapping[str, Any] | None = None,
    ) -> None:
        """A measured number.

        Args:
            name: what was measured.
            value: finite.
            unit: such as `s` or `1/s`.
            type: counter, gauge, histogram, timer, status, error_rate, throughput, latency or custom.
            labels: what tells measurements of one name apart.

        Raises:
            ValueError: The value is not finite, the type unknown, or a text too long.
        """
        fields = {
            "name": wire.name("name", name, required=True),
            "type": wire.choice("type", type, limits.METRIC_TYPES),
            "value": wire.number("value", value),
            "unit": wire.name("unit", unit),
            "labels": wire.texts("labels", labels),
        }
        self._write("metric", fields)

    def artifact(
        self,
        name: str,
        *,
        path: str | os.PathLike[str] | None = None,
        content: str | bytes | None = None,
        type: str = "data",
        content_type: str | None = None,
        uri: str | None = None,
        id: str | None = None,
    ) -> str:
        """Something the task produced; up to 1 MB is sent along, of more only name, size, hash and place.

        A file that cannot be read is a warning in the task's log, not an exception.

        Args:
            name: such as `report.md`.
            path: a file, read and hashed now.
            content: instead of a file.
            type: document, image, video, audio, code, data, log, config, model, report, summary or chart.
            content_type: as in HTTP; guessed from the name when left out.
            uri: where it can be found.
            id: of the artifact, so that reporting it twice counts once.

        Returns:
            The id of the artifact.

        Raises:
            ValueError: A text is empty or too long, the type unknown, or the id no UUID.
        """
        artifact_id = description.uuid("id", id) or uuid7()
        fields: dict[str, Any] = {
            "id": artifact_id,
            "name": wire.name("name", name, required=True),
            "type": wire.choice("type", type, limits.ARTIFACT_TYPES),
        }
        uri = wire.name("uri", uri, limit=limits.URL_LENGTH)
        try:
            fields |= artifact_files.described(name, path, content, content_type, uri)
        except OSError as error:
            self.log(f"the artifact {name} could not be read: {error}", level="warning")
            return artifact_id
        self._write("artifact", fields)
        return artifact_id

    def links(self, links: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Places that belong to the task, such as `repo_url`; those given earlier stay.

        Raises:
            ValueError: There are too many, or one is too long.
        """
        self._write("links", {"links": wire.texts("links", {**(links or {}), **more})}, weight=Weight.SOLID)

    def update(self, **fields: Any) -> None:
        """Some of what describes the task has new values: any field that `headway.task` takes.

        Raises:
            ValueError: A field is unknown, too long or out of range.
            TypeError: A field is unknown.
        """
        name = fields.pop("name", None)
        self._write("updated", description.checked(self._outbox.writer, name, cast(Description, fields)))

    def run_info(
        self,
        *,
        plan: Any = None,
        memory_mb: float | None = None,
        rounds: int | None = None,
        error_details: Any = None,
    ) -> None:
        """What is known of this attempt beyond its state.

        Args:
            plan: what is intended, as JSON.
            memory_mb: most memory used.
            rounds: how often the agent went round.
            error_details: as JSON.

        Raises:
            ValueError: A number is negative or not finite.
        """
        writer = self._outbox.writer
        fields = {
            "plan": writer.data("plan", plan),
            "memory_mb": None if memory_mb is None else wire.number("memory_mb", memory_mb, low=0),
            "rounds": None if rounds is None else wire.count("rounds", rounds),
            "error_details": writer.data("error_details", error_details),
        }
        self._write("run", fields)

    def _write(self, kind: str, fields: Mapping[str, Any], *, weight: Weight = Weight.SOLID) -> None:
        self.create()
        outbox = self._outbox
        outbox.append(self.id, outbox.writer.line(self.id, kind, self.run, fields), weight)
