"""Odd texts come back as they went in, and the largest allowed of everything fits."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from typing import Any

import pytest

from headway.domain import ids, limits
from headway.domain.errors import DataRefused
from headway.domain.query import CallFilter, Scope, TaskFilter, words_of
from headway.domain.task import Refusal
from headway.store.port import Ingested
from tests.domain.building import fact, moment
from tests.store.conformance.scene import Scene, about

ODD = {
    "unicode": "Ünïcödé 東京 🚀 é",
    "empty": "",
    "hash": "#",
    "quotes": 'Robert\'); DROP TABLE hw_task; -- "x" `y`',
    "escapes": "back\\slash \\N \\. \\u0000 \\x00 %s %(a)s :name ? $1 {0}",
    "lines": "one\ntwo\r\nthree\ttabbed\x01\x1f\x7f",
    "bidi": "\u202eright to left\u202c \ufeff\ufffe\uffff",
    "blank": "   ",
    "long": "x" * 10_000,
    "wildcards": "100%_of[a-z]*",
}
NAMES = {name: text for name, text in ODD.items() if 0 < len(text) <= limits.NAME_LENGTH}


@pytest.mark.parametrize("odd", ODD)
async def test_an_odd_text_comes_back_as_it_went_in(scene: Scene, odd: str) -> None:
    text = ODD[odd]
    short = text[: limits.NAME_LENGTH]
    value = {"text": text, text: [text, None, 1.5, 2**53, True], "nested": {"": {}}}
    task_id = await scene.make_task(
        fact("progress", 1, progress=1.0, message=text, phase=short),
        fact("log", 2, message=text, data=value),
        fact("llm_call", 3, provider=short, model=short, template=short or None, error=text, ok=False),
        fact("metric", 4, name=short or "n", unit=short, labels={short: text[:4_000]}),
        fact("artifact", 5, name=short or "n", content=text, uri=text[:4_000]),
        fact("cancel_requested", 6, reason=text or "r"),
        fact("failed", 7, error={"message": text, "type": short, "stack": text}),
        name=short or "n",
        description=text,
        agent=short or "a",
        agent_id=short or "a",
        task_type=short or "t",
        labels={short: text[:4_000]},
        links={short: text[:4_000]},
        input=value,
        metadata=value,
    )

    task = await scene.task(task_id)
    tenant_id, ledger = scene.tenant_id, scene.ledger
    [call] = (await ledger.list_llm_calls(scene.owner, CallFilter(task=(task_id,)))).items
    [metric] = await ledger.list_metrics(tenant_id, task_id)
    [listed] = await ledger.list_artifacts(tenant_id, task_id)
    stored = await ledger.get_artifact(tenant_id, listed.id)

    assert (task.name, task.description, task.agent_kind, task.labels) == (
        short or "n",
        text,
        short or "a",
        {short: text[:4_000]},
    )
    assert (task.message, task.phase, task.cancel_reason) == (text, short, text or "r")
    assert (task.input, task.metadata, task.links) == (value, value, {short: text[:4_000]})
    assert task.error == {"message": text, "type": short, "stack": text}
    [log] = await ledger.list_entries(tenant_id, task_id, kinds=["log"])
    assert (log.message, log.data) == (text, value)
    assert (call.provider, call.model, call.template, call.error) == (short, short, short or None, text)
    assert (metric.unit, metric.labels) == (short, {short: text[:4_000]})
    assert stored is not None
    assert stored.content == text.encode()
    assert (stored.size, stored.sha256) == (len(text.encode()), hashlib.sha256(text.encode()).hexdigest())
    assert stored == listed._replace(content=text.encode())
    await scene.audit()


@pytest.mark.parametrize("odd", NAMES)
async def test_a_task_is_found_by_its_odd_names(scene: Scene, odd: str) -> None:
    text = NAMES[odd]
    task_id = await scene.make_task(
        name=text, project=text, agent=text, agent_id=text, task_type=text, labels={text: text}
    )
    await scene.make_task(name="another", project="shop", agent="coder")
    project = (await scene.task(task_id)).project_id
    assert project is not None

    wanted = [
        TaskFilter(project=(project,)),
        TaskFilter(agent=(text,)),
        TaskFilter(agent_id=(text,)),
        TaskFilter(type=(text,)),
        TaskFilter(label=(f"{text}={text}",)),
        *([TaskFilter(words=words_of(text))] if words_of(text) else []),
    ]
    found = [(await scene.ledger.list_tasks(scene.owner, one)).items for one in wanted]

    assert [[task.id for task in items] for items in found] == [[task_id]] * len(wanted)
    assert text in await scene.ledger.breakdown(scene.tenant_id, Scope(), "agent")
    assert (await scene.ledger.counters(scene.tenant_id, Scope(agent_kind=text))).gauges["pending"] == 1


async def test_a_text_is_searched_as_it_stands(scene: Scene) -> None:
    told = [fact("log", at, message=text) for at, text in enumerate(ODD.values())]
    task_id = await scene.make_task(*told)

    async def found(text: str) -> list[str | None]:
        entries = await scene.ledger.list_entries(scene.tenant_id, task_id, kinds=["log"], text=text)
        return [entry.message for entry in entries]

    assert await found("%_of[") == [ODD["wildcards"]]
    assert await found("\\N") == [ODD["escapes"]]
    assert await found("東京") == [ODD["unicode"]]
    assert await found("'); drop") == [ODD["quotes"]]


def json_of(size: int) -> str:
    """A value that takes so many bytes as JSON."""
    return "d" * (size - 2)


async def test_the_largest_of_everything_is_kept(scene: Scene) -> None:
    large = json_of(limits.JSON_BYTES)
    texts = {f"{number:064}": "v" * limits.URL_LENGTH for number in range(limits.LABELS)}
    task_id = await scene.make_task(
        fact("log", 1, message="m" * limits.MESSAGE_LENGTH, data=large),
        fact("artifact", 2, content="a" * limits.ARTIFACT_BYTES),
        fact("metric", 3, value=1.7976931348623157e308),
        fact("metric", 4, value=5e-324),
        fact(
            "llm_call", 5, input_tokens=limits.TOKENS, output_tokens=limits.TOKENS, cost_usd=limits.COST_USD
        ),
        fact(
            "run", 6, rounds=limits.INTEGER, memory_mb=float(limits.INTEGER), plan=large, error_details=large
        ),
        fact("completed", 7, result=large),
        name="n" * limits.NAME_LENGTH,
        labels=texts,
        links=texts,
        input=large,
        metadata={"x": json_of(limits.JSON_BYTES - 10)},
        estimate_ms=limits.DURATION_MS,
    )

    task = await scene.task(task_id)
    assert (task.result, task.input, task.labels) == (large, large, texts)
    assert (task.input_tokens, task.cost_nusd) == (limits.TOKENS, limits.COST_USD * 10**9)
    assert [metric.value for metric in await scene.ledger.list_metrics(scene.tenant_id, task_id)] == [
        1.7976931348623157e308,
        5e-324,
    ]
    [run] = await scene.ledger.task_runs(scene.tenant_id, task_id)
    assert (run.rounds, run.plan) == (limits.INTEGER, large)
    await scene.audit()


def incompressible(length: int) -> str:
    """A text of four-byte characters in which nothing repeats, as hard to index as can be."""
    chance = random.Random(length)
    return "".join(chr(chance.randrange(0x10000, 0x10FFFE)) for _ in range(length))


async def test_long_texts_that_do_not_compress_are_kept_and_found(scene: Scene) -> None:
    name, value = incompressible(limits.NAME_LENGTH), incompressible(limits.URL_LENGTH)
    task_id = await scene.make_task(
        fact("progress", 1, phase=name, message=incompressible(limits.MESSAGE_LENGTH)),
        name=name,
        project=name,
        agent=name,
        agent_id=name,
        task_type=name,
        labels={name: value},
        links={name: value},
    )

    wanted = [
        TaskFilter(label=(f"{name}={value}",)),
        TaskFilter(agent=(name,), type=(name,)),
        TaskFilter(agent_id=(name,)),
    ]
    found = [(await scene.ledger.list_tasks(scene.owner, one)).items for one in wanted]

    assert [[(task.id, task.labels) for task in items] for items in found] == [[(task_id, {name: value})]] * 3
    await scene.audit()


async def test_what_no_index_can_hold_is_refused_and_not_tried_for_ever(scene: Scene) -> None:
    task_id, names = ids.uuid7(), [incompressible(limits.NAME_LENGTH - place) for place in range(3)]
    call = fact("llm_call", 1, provider=names[0], model=names[1], template=names[2])
    batch = scene.producer().batch(*about(task_id, fact("created", 0), call))

    try:
        await scene.take(batch)
    except DataRefused:
        assert await scene.ledger.get_task(scene.owner, task_id) is None
    else:
        assert (await scene.task(task_id)).llm_calls == 1
    await scene.audit()


async def test_sums_of_the_largest_calls_stay_exact(scene: Scene) -> None:
    calls = 2_000
    told = [
        fact("llm_call", 5, input_tokens=limits.TOKENS, output_tokens=limits.TOKENS, cost_usd=limits.COST_USD)
        for _ in range(calls)
    ]
    task_id = await scene.make_task(*told)

    task = await scene.task(task_id)
    assert (task.input_tokens, task.cost_nusd) == (calls * limits.TOKENS, calls * limits.COST_USD * 10**9)
    await scene.audit()


async def test_a_full_batch_is_taken(scene: Scene) -> None:
    tasks = [ids.uuid7() for _ in range(limits.BATCH_FACTS // 4)]
    kinds = ("created", "started", "log", "completed")

    outcome = await scene.tell(
        *(told for task in tasks for told in about(task, *(fact(kind, at) for at, kind in enumerate(kinds))))
    )

    assert outcome == Ingested(acked_seq=limits.BATCH_FACTS, applied=limits.BATCH_FACTS, duplicates=0)
    counters = await scene.ledger.counters(scene.tenant_id, Scope())
    assert counters.runs["completed"] == counters.gauges["completed"] == len(tasks)
    await scene.audit()


async def test_times_are_kept_to_the_microsecond_over_the_whole_range(scene: Scene) -> None:
    early = moment(0).replace(year=2000, month=1, day=1, hour=0, microsecond=1)
    task_id = ids.uuid7()

    await scene.tell(*about(task_id, replace(fact("created"), at=early), replace(fact("started"), at=early)))

    task = await scene.task(task_id)
    assert (task.created_at, task.started_at) == (early, early)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
async def test_a_text_that_no_database_holds_never_gets_there(scene: Scene, text: str) -> None:
    """Such facts are refused before; should one slip through, the ledger says so and writes nothing."""
    task_id, producer = ids.uuid7(), scene.producer()
    batch = producer.batch(
        *about(task_id, fact("created", 0), fact("log", 1, message=text, data={"x": text}))
    )

    try:
        await scene.take(batch)
    except DataRefused:
        assert await scene.ledger.get_task(scene.owner, task_id) is None
    refusal = Refusal(2, task_id, "log", "bad-text", "holds a NUL character", None, "message")
    again = producer.again([batch.facts[0], refusal])
    await scene.take(again)

    assert (await scene.task(task_id)).name == "Import catalogue"
    await scene.audit()


async def test_every_form_of_json_comes_back_as_it_went_in(scene: Scene) -> None:
    values: list[Any] = [
        0,
        -1,
        1.5,
        1e-7,
        2**80,
        True,
        "",
        "text",
        [],
        {},
        [None, [[]]],
        {"a": {"b": [1, 2.5]}},
    ]

    tasks = [await scene.make_task(fact("completed", 1, result=value), input=value) for value in values]
    seen = [await scene.task(task_id) for task_id in tasks]

    assert json.dumps([task.input for task in seen]) == json.dumps(values)
    assert json.dumps([task.result for task in seen]) == json.dumps(values)
