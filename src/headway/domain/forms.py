"""An object that came from outside, checked field by field against rules; which rules is the caller's matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.domain.checks import CHECKS, Rule
from headway.domain.errors import InvalidFact


def checked(given: Any, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """The fields that were given and are not null, each in the form its rule asks for.

    Raises:
        InvalidFact: It is no object, a field is missing, unknown or breaks its rule.
    """
    if not isinstance(given, dict):
        raise InvalidFact("wrong-type", "body", "must be an object")
    for name in given:
        if name not in rules:
            shown = str(name)[:100].encode("utf-8", "backslashreplace").decode("utf-8")
            raise InvalidFact("unknown-field", shown, "is not a field of this", limit=list(rules))
    values = {}
    for name, rule in rules.items():
        value = given.get(name)
        if value is not None:
            values[name] = CHECKS[rule.form](name, value, rule)
        elif rule.required:
            raise InvalidFact("missing-field", name, "is needed")
    return values
