"""A device's numbers over time, one small chart under the other, each with a scale of its own."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from ..queries import Series
from . import words

POINTS = 2000  # all values together
_FIRST = 4  # shown before the person chooses
_HEIGHT = 120  # px of one value's chart
_GAP = 44
_TOP = 30
_BOTTOM = 86  # the slider, and the time under the lowest
_INK = "#7d8a97"  # readable on light and on dark
_FAINT = "rgba(128,140,150,0.22)"
_COLOURS = ("#2b8ccc", "#d9822b", "#29a36a", "#a05fc8", "#d4526e", "#6b8e23", "#008b8b", "#8c6d46")


class Chart:
    """The chart of one view. Names and values come from devices: they are values here, no keys."""

    def __init__(self) -> None:
        self._series: list[Series] = []
        self._chosen: list[str] | None = None  # None: the person left it to us
        self._select = ui.select([], multiple=True, label="Shown", on_change=self._choose)
        self._select.props("dense outlined use-chips").classes("shown")
        self._note = ui.label().classes("soft")
        self._chart = ui.echart({}, renderer="canvas").classes("chart")
        self._nothing = ui.label(
            "No number in that time: reports in JSON show their values here as they come."
        ).classes("soft")

    def show(self, series: list[Series]) -> None:
        """Draw these; a zoom that the person has chosen stays."""
        self._series = series
        names = [one.name for one in series]
        self._select.set_visibility(len(names) > 1)
        shown = self._chosen if self._chosen is not None else _most_telling(series)
        if self._select.options != names or self._select.value != shown:
            self._select.set_options(names, value=[name for name in shown if name in names])
        self._draw([one for one in series if one.name in shown])

    def _choose(self) -> None:
        chosen = list(self._select.value or [])
        if chosen != (self._chosen if self._chosen is not None else _most_telling(self._series)):
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
        thinned = "" if points == total else f", of {total:,}: lowest and highest of each stretch"
        self._note.set_text(f"{words.count(points, 'point')}{thinned}. Drag the bar to zoom.")
        height = _TOP + len(series) * (_HEIGHT + _GAP) - _GAP + _BOTTOM
        self._chart.style(f"height: {height}px")
        self._chart.options.clear()
        self._chart.options.update(_options(series))
        self._chart.update()


def _most_telling(series: list[Series]) -> list[str]:
    """Return the names of those that are worth a chart: what each report has, not each boot."""
    most = max((one.total for one in series), default=0)
    often = [one.name for one in series if one.total * 2 >= most]
    return often[:_FIRST]


def _options(series: list[Series]) -> dict[str, Any]:
    places = range(len(series))
    tops = [_TOP + place * (_HEIGHT + _GAP) for place in places]
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
                    "color": _INK, "show": place == len(series) - 1, "hideOverlap": True
                },
                "axisLine": {"lineStyle": {"color": _FAINT}},
                "axisTick": {"show": False},
            }
            for place in places
        ],
        "yAxis": [
            {
                "type": "value", "gridIndex": place, "scale": True, "splitNumber": 3,
                "axisLabel": {"color": _INK}, "splitLine": {"lineStyle": {"color": _FAINT}},
            }
            for place in places
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
                "type": "slider", "xAxisIndex": list(places), "height": 22, "bottom": 14,
                "textStyle": {"color": _INK}, "filterMode": "none",
            },
            # The wheel alone goes on scrolling the page.
            {
                "type": "inside", "xAxisIndex": list(places), "zoomOnMouseWheel": "shift",
                "moveOnMouseMove": False, "filterMode": "none",
            },
        ],
    }  # fmt: skip
