"""Weighted samples and their quantiles; which runs get which weight is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Weighted: TypeAlias = Sequence[tuple[float, float]]  # (value, weight), ascending by value, weights above 0


def quantile(sample: Weighted, level: float) -> float:
    """Return the smallest value at which the share of weight reaches a level.

    Args:
        sample: at least one (value, weight) pair, ascending.
        level: 0-1.
    """
    wanted = level * sum(weight for _, weight in sample)
    reached = 0.0
    for value, weight in sample:
        reached += weight
        if reached >= wanted:
            return value
    return sample[-1][0]


def smooth_quantile(sample: Weighted, level: float) -> float:
    """Return the quantile interpolated between neighbours, each standing for the middle of its own weight.

    Args:
        sample: at least one (value, weight) pair, ascending.
        level: 0-1.
    """
    wanted = level * sum(weight for _, weight in sample)
    before = 0.0
    last_value, last_middle = sample[0][0], 0.0
    for value, weight in sample:
        middle = before + weight / 2
        if middle >= wanted:
            width = middle - last_middle
            return last_value + (value - last_value) * (wanted - last_middle) / width
        last_value, last_middle = value, middle
        before += weight
    return last_value


def spread(values: Sequence[float], total: float) -> list[tuple[float, float]]:
    """Give equal values a total weight.

    Args:
        values: any number of values.
        total: the weight that they share.
    """
    return [(value, total / len(values)) for value in values]
