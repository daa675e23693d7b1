"""Structs that msgspec decodes facts into: generated from the fact classes and their rules, one per kind.

They carry the names and `kind` of the classes they come from, so that whoever takes a fact takes them as well.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

import msgspec

from headway.domain import facts, limits
from headway.domain.checks import Rule

ID_LENGTHS = (32, 36)


def _text(rule: Rule) -> Any:
    return Annotated[str, msgspec.Meta(min_length=rule.low, max_length=rule.high)]


def _number(form: type) -> Any:
    def typed(rule: Rule) -> Any:
        return Annotated[form, msgspec.Meta(ge=rule.low, le=rule.high)]

    return typed


def _texts(rule: Rule) -> Any:
    key = Annotated[str, msgspec.Meta(max_length=limits.NAME_LENGTH)]
    value = Annotated[str, msgspec.Meta(max_length=limits.URL_LENGTH)]
    return Annotated[dict[key, value], msgspec.Meta(max_length=rule.high)]


_TYPES: dict[str, Any] = {
    "text": _text,
    "id": lambda rule: Annotated[str, msgspec.Meta(min_length=ID_LENGTHS[0], max_length=ID_LENGTHS[1])],
    "time": lambda rule: Annotated[datetime, msgspec.Meta(tz=True)],
    "integer": _number(int),
    "number": _number(float),
    "flag": lambda rule: bool,
    "choice": lambda rule: Literal[rule.choices],
    "json": lambda rule: Any,
    "object": lambda rule: dict[str, Any],
    "texts": _texts,
    "money": lambda rule: str | float | int,
}


def _struct(kind: str, cls: type[facts.Fact]) -> type[msgspec.Struct]:
    described: list[Any] = []
    for field in fields(cls):
        rule: Rule = field.metadata["rule"]
        typed = _TYPES[rule.form](rule)
        if field.default is MISSING:
            described.append((field.name, typed))
        elif field.default is None:
            described.append((field.name, typed | None, None))
        else:
            described.append((field.name, typed, field.default))
    return msgspec.defstruct(
        cls.__name__,
        described,
        namespace={"kind": kind, "__doc__": cls.__doc__},
        tag_field="kind",
        tag=kind,
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )


STRUCTS: dict[str, type[msgspec.Struct]] = {
    kind: _struct(kind, cls) for kind, cls in facts.KINDS.items() if kind not in facts.SERVER_KINDS
}
FactUnion: Any = reduce(or_, STRUCTS.values())
