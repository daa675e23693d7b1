"""JSON schemas of request bodies, made from the same rules that check them, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.domain import facts, limits
from headway.domain.checks import Rule

_TEXTS = {"type": "string", "maxLength": limits.URL_LENGTH}
_FORMS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "id": {"type": "string", "format": "uuid"},
    "time": {"type": "string", "format": "date-time"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "choice": {},
    "json": {},
    "object": {"type": "object"},
    "texts": {"type": "object", "additionalProperties": _TEXTS},
    "money": {"type": ["string", "number"], "description": "Dollars, best as a decimal text."},
}


def field_schema(rule: Rule) -> dict[str, Any]:
    """What one field may hold."""
    schema = dict(_FORMS[rule.form])
    if rule.form == "choice":
        schema["enum"] = list(rule.choices)
    low, high = {
        "text": ("minLength", "maxLength"),
        "integer": ("minimum", "maximum"),
        "number": ("minimum", "maximum"),
        "texts": ("minProperties", "maxProperties"),
    }.get(rule.form, ("", ""))
    if low and rule.low is not None:
        schema[low] = rule.low
    if high and rule.high is not None:
        schema[high] = rule.high
    return schema


def form_schema(rules: Mapping[str, Rule], **further: Any) -> dict[str, Any]:
    """The schema of an object with these fields; null is the same as leaving a field out."""
    return {
        "type": "object",
        "properties": _properties(rules),
        "required": sorted(name for name, rule in rules.items() if rule.required),
        "additionalProperties": False,
        **further,
    }


def json_body(schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    """A request body for `openapi_extra`."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": dict(schema)}}}}


def fact_rules(kind: str, *, without: tuple[str, ...] = ("seq", "task_id")) -> dict[str, Rule]:
    """The fields of a fact as a single write takes them: its time may be left out."""
    rules = {name: rule for name, rule in facts.RULES[kind].items() if name not in without}
    return {**rules, "at": Rule("time")} if "at" in rules else rules


def batch_schema() -> dict[str, Any]:
    """The body of `POST /facts`."""
    kinds = [
        form_schema(rules, title=kind, properties={"kind": {"const": kind}, **_properties(rules)})
        for kind, rules in facts.RULES.items()
        if kind not in facts.SERVER_KINDS
    ]
    for schema in kinds:
        schema["required"] = sorted([*schema["required"], "kind"])
        schema["additionalProperties"] = True  # dropped, and named in `warnings`
    return {
        "type": "object",
        "required": ["facts", "producer"],
        "properties": {
            "producer": {"type": "string", "format": "uuid"},
            "sent_at": {"type": ["string", "null"], "format": "date-time"},
            "facts": {
                "type": "array",
                "minItems": 1,
                "maxItems": limits.BATCH_FACTS,
                "items": {"anyOf": kinds},
            },
        },
    }


def _properties(rules: Mapping[str, Rule]) -> dict[str, Any]:
    shown = {name: field_schema(rule) for name, rule in rules.items()}
    return {name: schema if rules[name].required else _nullable(schema) for name, schema in shown.items()}


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]} if schema else schema
