"""Query parameters of lists: checked so that whatever gets through is something a database can be asked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from headway.domain import ids, limits
from headway.domain.access import Actor
from headway.domain.checks import check_time
from headway.domain.errors import InvalidFact
from headway.domain.query import MAX_LIMIT, TaskFilter, words_of
from headway.interfaces.rest.shapes.task import Status

ME = "me"


def _clean(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("bad_text", "holds a NUL character, which no database can keep")
    return text


def _uuid(text: str) -> str:
    found = ids.canonical(text)
    if found is None:
        raise PydanticCustomError("uuid_parsing", "must be a UUID")
    return found


def _person(text: str) -> str:
    return text if text == ME else _uuid(text)


def _label(text: str) -> str:
    if "=" not in text:
        raise PydanticCustomError("label", "must be key=value")
    return _clean(text)


def _moment(time: datetime) -> datetime:
    try:
        return check_time("time", time)
    except InvalidFact as error:
        raise PydanticCustomError("greater_than_equal", "{detail}", {"detail": error.detail}) from None


Word = Annotated[str, Field(max_length=limits.NAME_LENGTH), AfterValidator(_clean)]
Uuid = Annotated[str, Field(max_length=36), AfterValidator(_uuid)]
Person = Annotated[str, Field(max_length=36), AfterValidator(_person)]
Label = Annotated[str, Field(max_length=limits.NAME_LENGTH + limits.URL_LENGTH), AfterValidator(_label)]
Moment = Annotated[AwareDatetime, AfterValidator(_moment)]
Text = Annotated[str, Field(max_length=limits.MESSAGE_LENGTH), AfterValidator(_clean)]
Cursor = Annotated[str, Field(max_length=1_000)]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]
EntryNumber = Annotated[int, Field(ge=0, le=limits.INTEGER)]
TaskId = Annotated[str, Path(max_length=36, description="Id of the task.")]
SlugOrId = Annotated[
    str, Path(min_length=1, max_length=limits.NAME_LENGTH, description="Slug or id of the project."),
    AfterValidator(_clean),
]  # fmt: skip
_MOST_VALUES = 50
_Words = Annotated[list[Word], Field(max_length=_MOST_VALUES)]


class Query(BaseModel):
    """Parameters; one that is not known is an error, as a filter with a typo would show everything."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Query):
    """Where in a list."""

    limit: Limit = 50
    cursor: Cursor | None = None


class RunQuery(PageQuery):
    """Which runs: several values of one parameter are OR, several parameters AND."""

    status: Annotated[list[Status], Field(max_length=_MOST_VALUES)] = []
    project: _Words = []
    agent: _Words = []
    agent_id: _Words = []
    user: Annotated[list[Person], Field(max_length=_MOST_VALUES)] = []
    type: _Words = []
    label: Annotated[list[Label], Field(max_length=_MOST_VALUES)] = []
    parent: Annotated[list[Uuid], Field(max_length=_MOST_VALUES)] = []
    q: Text | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    started_after: Moment | None = None
    started_before: Moment | None = None
    finished_after: Moment | None = None
    finished_before: Moment | None = None

    def wanted(self, actor: Actor) -> TaskFilter:
        """The filter, but for projects, which have to be looked up."""
        return TaskFilter(
            status=tuple(self.status),
            agent=tuple(self.agent),
            agent_id=tuple(self.agent_id),
            user=tuple(actor.user_id if user == ME else user for user in self.user),
            type=tuple(self.type),
            label=tuple(self.label),
            parent=tuple(self.parent),
            words=words_of(self.q) if self.q else (),
            created_after=self.created_after,
            created_before=self.created_before,
            started_after=self.started_after,
            started_before=self.started_before,
            finished_after=self.finished_after,
            finished_before=self.finished_before,
        )


class TaskQuery(RunQuery):
    """Which tasks, in which order."""

    order: Literal["-created_at", "created_at"] = "-created_at"
    count: bool = False


class EntryQuery(Query):
    """Which entries of a task: those after an entry number. A cursor is such a number, too."""

    after: EntryNumber = 0
    limit: Limit = 50
    cursor: Annotated[str, Field(pattern=r"^\d{1,15}$")] | None = None

    @property
    def start(self) -> int:
        """The entry number to go on after."""
        return max(self.after, int(self.cursor or 0))


class LogQuery(EntryQuery):
    """Which log entries."""

    level: Annotated[list[Literal["debug", "info", "warning", "error", "critical"]], Field(max_length=5)] = []
    q: Text | None = None
    newest: bool = False  # the last ones instead of the first


class ZoneQuery(Query):
    """Where days begin."""

    tz: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_clean)] = "UTC"
