"""What a task is called and belongs to: `created` fills in, `updated` changes, `links` adds.

Owner, project and agent kind are frozen once set.
"""

from __future__ import annotations

from typing import Any

from headway.domain.lifecycle.runs import may_report, report, run_of
from headway.domain.lifecycle.work import Context, Folded, Refused, enter, refuse
from headway.domain.task import DEFAULT_WEIGHT_MS, MAX_WEIGHT_MS, TaskState

_DESCRIBED = (
    "name",
    "description",
    "agent_id",
    "task_type",
    "priority",
    "labels",
    "parent_id",
    "input",
    "metadata",
    "links",
    "config",
    "estimate_ms",
    "origin",
)


def created(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Fill in a placeholder; of a task already named, set only what is not known yet."""
    refused = _frozen(state, fact, context)
    if refused is not None:
        return refused
    _settle(state, work, fact, context)
    if state.named:
        _fill(work, _described(fact))
        return None
    state.created_at = work.at
    if state.run_number == 1:
        state.run_created_at = work.at
    _name(state, fact, context)
    work.sets.update(_described(fact))
    enter(state, work, "created", 1)
    return None


def _fill(work: Folded, values: dict[str, Any]) -> None:
    news = values.keys() - work.sets.keys() - work.fills.keys() - {"name"}
    if news - {"origin"}:  # a second process of the same work is no news
        work.fills.update({name: values[name] for name in news})
        work.changed = True


def updated(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Give descriptive fields new values, and show progress where it comes along."""
    refused = _frozen(state, fact, context)
    if refused is not None:
        return refused
    reports = fact.progress is not None or fact.phase is not None or fact.message is not None
    run = run_of(state, work, fact) if reports else state.run_number
    if isinstance(run, Refused):
        return run
    reports = reports and run == state.run_number
    if reports and not may_report(state, work.at):
        return refuse(state, "it cannot make progress")
    _settle(state, work, fact, context)
    if reports:
        report(state, work, fact, starts=fact.progress is not None)
    values = _described(fact)
    if "links" in values:
        values["links"] = {**work.sets.get("links", {}), **values["links"]}
    work.sets.update(values)
    if "name" in values and not state.named:
        _name(state, fact, context)
    enter(
        state,
        work,
        "updated",
        run,
        message=fact.message,
        progress=fact.progress,
        phase=fact.phase,
        data={"fields": sorted(values)},
    )
    return None


def linked(state: TaskState, work: Folded, fact: Any, context: Context) -> Refused | None:
    """Add links to those the task has."""
    work.sets["links"] = {**work.sets.get("links", {}), **fact.links}
    enter(state, work, "links", state.run_number, data={"fields": ["links"]})
    return None


def _described(fact: Any) -> dict[str, Any]:
    return {name: value for name in _DESCRIBED if (value := getattr(fact, name)) is not None}


def _frozen(state: TaskState, fact: Any, context: Context) -> Refused | None:
    """Refuse what the sender may not name, and another project or agent kind than the one that is set."""
    if fact.parent_id in context.hidden:
        return Refused("not-found", state.status, "there is no such parent, or you may not see it")
    if fact.project is not None:
        project = context.projects.get(fact.project)
        if project is None:
            return Refused("not-found", state.status, "there is no such project, or you may not see it")
        if state.project_id not in (None, project):
            return refuse(state, "its project cannot change")
    if fact.agent is not None and state.agent_kind not in (None, fact.agent):
        return refuse(state, "its agent kind cannot change")
    return None


def _settle(state: TaskState, work: Folded, fact: Any, context: Context) -> None:
    """Set project and agent kind where they are still open."""
    if state.project_id is None and fact.project is not None:
        state.project_id = context.projects[fact.project]
        work.changed = True
    if state.agent_kind is None and fact.agent is not None:
        state.agent_kind = fact.agent
        work.changed = True


def _name(state: TaskState, fact: Any, context: Context) -> None:
    """The task is no placeholder any more; its weight is settled with what describes it."""
    state.named = True
    known = fact.estimate_ms or context.typical_ms.get((fact.agent, fact.task_type))
    state.weight_ms = min(max(known, 1), MAX_WEIGHT_MS) if known else DEFAULT_WEIGHT_MS
