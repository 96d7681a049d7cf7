"""A device's numbers over time, one small chart under the other, each with a scale of its own."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from ..queries import Series
from . import formatting

POINTS = 2000  # all values together
_FIRST = 4  # shown by default
_HEIGHT = 120  # px of one value's chart
_GAP = 44
_TOP = 30
_BOTTOM = 86  # the slider, and the time under the lowest
_TEXT = "#7d8a97"  # readable on light and on dark
_FAINT = "rgba(128,140,150,0.22)"
_COLOURS = ("#2b8ccc", "#d9822b", "#29a36a", "#a05fc8", "#d4526e", "#6b8e23", "#008b8b", "#8c6d46")


class Chart:
    """The chart of one view. Names and values come from devices: they are values here, no keys."""

    def __init__(self) -> None:
        self._series: list[Series] = []
        self._chosen: list[str] | None = None  # None: nobody has chosen
        self._select = ui.select([], multiple=True, label="Values shown", on_change=self._choose)
        self._select.props("dense outlined use-chips").classes("series-picker")
        self._note = ui.label().classes("muted")
        self._chart = ui.echart({}, renderer="canvas").classes("chart")
        self._nothing = ui.label(
            "No numbers in this period. Numbers of JSON reports appear here as they arrive."
        ).classes("muted")

    def show(self, series: list[Series]) -> None:
        """Draw these; a zoom that somebody has chosen stays."""
        self._series = series
        names = [one.name for one in series]
        self._select.set_visibility(len(names) > 1)
        shown = self._chosen if self._chosen is not None else _default_choice(series)
        if self._select.options != names or self._select.value != shown:
            self._select.set_options(names, value=[name for name in shown if name in names])
        self._draw([one for one in series if one.name in shown])

    def _choose(self) -> None:
        chosen = list(self._select.value or [])
        if chosen != (self._chosen if self._chosen is not None else _default_choice(self._series)):
            self._chosen = chosen
            self._draw([one for one in self._series if one.name in chosen])

    def _draw(self, series: list[Series]) -> None:
        has = bool(series)
        self._chart.set_visibility(has)
        self._nothing.set_visibility(not has)
        self._note.set_visibility(has)
        if not has:
            return
        points = sum(len(one.points) for one in series)
        total = sum(one.total for one in series)
        thinned = (
            "" if points == total else f" of {total:,}, the lowest and highest of each interval"
        )
        self._note.set_text(f"{formatting.count(points, 'point')}{thinned}. Drag the bar to zoom.")
        height = _TOP + len(series) * (_HEIGHT + _GAP) - _GAP + _BOTTOM
        self._chart.style(f"height: {height}px")
        self._chart.options.clear()
        self._chart.options.update(_options(series))
        self._chart.update()


def _default_choice(series: list[Series]) -> list[str]:
    """Return the names shown unless others are chosen: what each report has, not each boot."""
    most = max((one.total for one in series), default=0)
    often = [one.name for one in series if one.total * 2 >= most]
    return often[:_FIRST]


def _options(series: list[Series]) -> dict[str, Any]:
    indexes = range(len(series))
    tops = [_TOP + place * (_HEIGHT + _GAP) for place in indexes]
    return {
        "animation": False,
        "color": list(_COLOURS),
        "textStyle": {"fontFamily": "Roboto, sans-serif"},
        "title": [
            {
                "text": one.name, "top": top - 26, "left": 4,
                "textStyle": {"color": _COLOURS[place % len(_COLOURS)], "fontSize": 13},
            }
            for place, (one, top) in enumerate(zip(series, tops, strict=True))
        ],
        "grid": [{"top": top, "height": _HEIGHT, "left": 58, "right": 18} for top in tops],
        "xAxis": [
            {
                "type": "time", "gridIndex": place,
                "axisLabel": {
                    "color": _TEXT, "show": place == len(series) - 1, "hideOverlap": True
                },
                "axisLine": {"lineStyle": {"color": _FAINT}},
                "axisTick": {"show": False},
            }
            for place in indexes
        ],
        "yAxis": [
            {
                "type": "value", "gridIndex": place, "scale": True, "splitNumber": 3,
                "axisLabel": {"color": _TEXT}, "splitLine": {"lineStyle": {"color": _FAINT}},
            }
            for place in indexes
        ],
        "series": [
            {
                "type": "line", "name": one.name, "xAxisIndex": place, "yAxisIndex": place,
                "data": [[time_ms, value] for time_ms, value in one.points],
                "showSymbol": len(one.points) < 60, "symbolSize": 5, "lineStyle": {"width": 1.6},
            }
            for place, one in enumerate(series)
        ],
        # ECharts' own tooltips are HTML; drawn on the canvas a name is only a name.
        "tooltip": {"trigger": "axis", "renderMode": "richText", "confine": True},
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "dataZoom": [
            {
                "type": "slider", "xAxisIndex": list(indexes), "height": 22, "bottom": 14,
                "textStyle": {"color": _TEXT}, "filterMode": "none",
            },
            # The wheel alone goes on scrolling the page.
            {
                "type": "inside", "xAxisIndex": list(indexes), "zoomOnMouseWheel": "shift",
                "moveOnMouseMove": False, "filterMode": "none",
            },
        ],
    }  # fmt: skip
