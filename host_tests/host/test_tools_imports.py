"""What the tools take from the firmware is there: most of them import it inside a function."""

import ast
import importlib
from pathlib import Path

import pytest

TOOLS = Path(__file__).parent.parent.parent / "tools"
TAKEN = sorted(
    {
        (node.module, name.name, path.relative_to(TOOLS).as_posix())
        for path in TOOLS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and not node.level
        if node.module.partition(".")[0] == "linkpost"
        for name in node.names
    }
)


@pytest.mark.parametrize(("module", "name", "where"), TAKEN)
def test_name_that_a_tool_imports_is_in_the_firmware(module, name, where):
    found = importlib.import_module(module)
    try:
        assert hasattr(found, name) or importlib.import_module(f"{module}.{name}")
    except ImportError:
        pytest.fail(f"tools/{where} imports {name} from {module}, which has no such name")
