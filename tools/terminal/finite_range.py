"""Numbers with a fraction that a person gives as an option."""

from __future__ import annotations

import math
from typing import Any

import click

_MOST = 1e9  # 31 years, in seconds; what waits is asked for more by nobody, and cannot


class FiniteRange(click.FloatRange):
    """click's own takes `nan`, which is in no range, and `inf`, which no clock reaches."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number to wait or to count by.", param, ctx)
        if abs(number) > _MOST:
            self.fail(f"{value} is too large: {_MOST:.0f} at most.", param, ctx)
        return number
