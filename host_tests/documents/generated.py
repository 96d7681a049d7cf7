"""Every page that is generated, or has a generated part, as it should be now."""

from __future__ import annotations

import ast
from pathlib import Path

from host_tests.documents import command_pages, error_tables
from tools.bench import pages as bench_pages
from tools.bench.pages import fill

ROOT = Path(__file__).parent.parent.parent
COMMANDS = ROOT / "docs" / "commands.md"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
ERRORS = ROOT / "docs" / "errors.md"


def tools_table() -> str:
    """Return the packages of tools/, each as its docstring's first line says it."""
    rows = ["| package | is |", "|---|---|"]
    for path in sorted((ROOT / "tools").glob("*/__init__.py")):
        first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        assert first, path
        rows.append(f"| `{path.parent.name}` | {first} |")
    return "\n".join(rows)


def pages() -> dict[Path, str]:
    """Return the text of each such page, by its path."""
    errors = ERRORS.read_text()
    for name, part in error_tables.parts().items():
        errors = fill(errors, name, part)
    return {
        **bench_pages.chip_pages(),
        COMMANDS: command_pages.page(),
        ERRORS: errors,
        ARCHITECTURE: fill(ARCHITECTURE.read_text(), "tools", tools_table()),
    }
