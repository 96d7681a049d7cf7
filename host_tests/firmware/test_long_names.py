"""A traceback of a board has its functions' names as the sources have them."""

from __future__ import annotations

import ast

import pytest

from tools.deploy.boot import FirstLines
from tools.firmware import board_files, long_names
from tools.monitor.view import Listener


def place_of(path: str, function: str) -> tuple[str, int]:
    """Return the short name of a function and the line of its first statement."""
    copy = board_files.byte_code_sources()[0][path]
    places = [
        [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
        for source in (board_files.sources()[path], copy)
    ]
    for node, short in zip(*places, strict=True):
        if node.name == function:
            return short.name, node.body[0].lineno
    raise AssertionError(function)


@pytest.mark.parametrize(
    ("path", "module", "function"),
    [
        ("net/wifi.py", "net.wifi", "_disconnect"),
        ("app.py", "app", "_out_of_memory"),
        ("storage/readings.py", "readings", "seq_of"),
        ("dates.py", "dates", "days_from_civil"),
    ],
)
def test_frame_has_the_long_name(path, module, function):
    short, line = place_of(path, function)
    frame = f'  File "{module}", line {line}, in '
    assert short != function
    assert long_names.with_long_name(frame + short) == frame + function
    heard = Listener()
    heard.take("Traceback (most recent call last):")
    assert heard.take(frame + short).text == frame + function
    first = FirstLines()
    first.take("Traceback (most recent call last):")
    first.take(frame + short)
    assert first.traceback[-1] == frame + function


def test_what_does_not_fit_stays():
    short, line = place_of("net/wifi.py", "_disconnect")
    for text in (
        f'  File "net.wifi", line {line}, in _99',
        f'  File "net.wifi", line 1, in {short}',
        f'  File "net.nothing", line {line}, in {short}',
        f'  File "main.py", line {line}, in {short}',
        f'  File "net.wifi", line {line}, in step',
        f'12.345 I app started why="File net.wifi, line {line}, in {short}"',
        "",
    ):
        assert long_names.with_long_name(text) == text
