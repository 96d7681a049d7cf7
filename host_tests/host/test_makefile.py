"""The Makefile: every command of `linkpost` has a target of its name."""

import re
from pathlib import Path

from tools.cli import linkpost

TEXT = (Path(__file__).parent.parent.parent / "Makefile").read_text()


def test_every_command_has_its_target_with_help():
    targets = dict(re.findall(r"^([a-z-]+):.*## (.+)$", TEXT, re.MULTILINE))
    for command in linkpost.list_commands(None):
        assert command in targets, f"no target for linkpost {command}"
        assert f"linkpost {command}" in TEXT


def test_targets_that_are_no_files_are_phony():
    phony = (
        re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", TEXT, re.MULTILINE)[1]
        .replace("\\\n", " ")
        .split()
    )
    targets = re.findall(r"^([a-z][a-z-]*):", TEXT, re.MULTILINE)
    assert set(targets) <= set(phony), set(targets) - set(phony)
