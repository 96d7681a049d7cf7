"""What is generated in README and docs is what the code and the committed figures say now."""

from __future__ import annotations

import re

import pytest
from linkpost import errors

from host_tests.documents import command_pages, error_tables, generated
from host_tests.documents.markdown import ROOT
from tools.bench import pages
from tools.bench.budgets import BUDGETS
from tools.bench.command import bench
from tools.bench.figures import Figures
from tools.terminal import failures
from tools.terminal.failures import CommandError


@pytest.mark.parametrize("path", generated.pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_generated_page_is_as_it_would_be_written_now(path):
    assert path.read_text() == generated.pages()[path], "run: make docs"


def test_table_of_the_desktop_has_every_figure_that_the_benchmark_has():
    """It is of one run, on a machine with nothing else to do; so only its rows are compared."""
    text = pages.MEASURED.read_text()
    table = re.search(r"<!-- made: desktop -->\n(.*?)<!-- end -->", text, re.DOTALL)[1]
    shown = {line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")}
    assert shown - {"what"} == {budget.what for budget in BUDGETS.values()}
    assert re.search(r"^Measured \d{4}-\d\d-\d\d on .+, linkpost .+\.$", table, re.MULTILINE)


def test_table_of_a_whole_run_is_written_and_of_a_part_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "MEASURED", tmp_path / "measured.md")
    pages.MEASURED.write_text("above\n<!-- made: desktop -->\nold\n<!-- end -->\nbelow\n")
    found = Figures()
    found.values = {"heap.client": 31_328, "wire.records": 1}
    found.theirs = {"wire.records": 23}
    about = {"date": "2026-11-26", "machine": "x86_64", "version": "0.1.0"}
    pages.write_desktop_table(found, about)
    text = pages.MEASURED.read_text()
    assert "| heap kept: Client built, 32-bit | 31,328 B |  | 20,480 B (not reached) |\n" in text
    assert "| TLS records of a small report | 1 | 23 | 1 |\n" in text
    assert text.startswith("above\n") and text.endswith("<!-- end -->\nbelow\n")
    for option in ("--check", "--chip"):
        with pytest.raises(CommandError, match="whole run"):
            bench.main(["--docs", option], standalone_mode=False)


def test_part_that_a_page_has_lost_is_told():
    page = "<!-- made: a -->\nold\n<!-- end -->\n<!-- made: b -->\nkept\n<!-- end -->\n"
    filled = pages.fill(page, "a", "new")
    assert filled == page.replace("old", "new")
    for broken in (page.replace("made: a", "made: x"), page + page):
        with pytest.raises(CommandError, match="made: a"):
            pages.fill(broken, "a", "new")


def test_every_error_class_has_an_exit_code_and_what_to_do():
    names = [item.__name__ for item in error_tables.error_classes()]
    assert {"LowMemoryError", "TLSError", "RejectedError"} <= set(names)
    assert set(error_tables.NEXT) == set(names)
    for name in names:
        assert failures.exit_code_of(name) != 1, name


def test_pauses_are_those_of_the_firmware():
    assert error_tables.pause("slowly") == "every 15 min to 20 min"
    assert error_tables.pause("backoff") == "after a random pause of up to 2 s, doubling to 5 min"
    assert error_tables.pause("long") == "after a random pause of up to 30 s, doubling to 1 h"
    assert errors.LinkpostError.retry == "backoff"


def test_help_of_every_command_is_on_the_page_with_its_example():
    page = generated.COMMANDS.read_text()
    for name, command in command_pages.commands():
        assert f" {name}\n\n```text\nUsage: {name} " in page
        # A group without a body of its own shows its commands.
        assert "Example" in (command.help or "") or name == "linkpost board", name
