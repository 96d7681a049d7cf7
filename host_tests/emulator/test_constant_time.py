"""Secrets are compared in constant time: `==` ends at the first difference, and time tells."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

EMULATOR = Path(__file__).parent.parent.parent / "tools" / "emulator"
MODULES = sorted(EMULATOR.rglob("*.py"))

# Names and keys of what nobody may learn bit by bit. A word of a name, so `device_secret` counts.
_SECRET_WORDS = {
    "sign", "signature", "secret", "secrets", "password", "token", "session", "cookie",
    "hexdigest", "digest",
}  # fmt: skip
_COMPARING_CALLS = {"startswith", "endswith", "__eq__", "__ne__", "fullmatch", "index", "find"}


def named(node: ast.expr) -> set[str]:
    """Return the words in the names and keys that an operand takes its value from."""
    if isinstance(node, ast.Call):
        # What `len(sign)` or `bool(token)` gives is no secret; what `sign.lower()` gives is.
        if isinstance(node.func, ast.Attribute):
            return {node.func.attr} | named(node.func.value)
        return set()
    if isinstance(node, ast.Attribute):
        # `args.sign` is one; `sign.device` is something else about it.
        return set(node.attr.split("_"))
    if isinstance(node, ast.Subscript):
        key = node.slice
        words = set(key.value.split("_")) if _is_text(key) else set()
        # `fields["name"]` says by its key what it is; `sign[:8]` is a part of it.
        return words if _is_text(key) else named(node.value)
    if isinstance(node, ast.Name):
        return set(node.id.strip("_").split("_"))
    if isinstance(node, ast.BinOp):
        return named(node.left) | named(node.right)
    return set()


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def is_plain(node: ast.expr) -> bool:
    """Tell whether an operand is written in the source: it is no secret, and it is compared to."""
    return isinstance(node, ast.Constant) or (
        isinstance(node, ast.Tuple) and all(map(is_plain, node.elts))
    )


def leaks(source: str) -> list[str]:
    """Return each comparison of a secret that is not made in constant time."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for operator, left, right in zip(node.ops, operands, operands[1:], strict=False):
                if not isinstance(operator, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
                    continue
                if is_plain(left) or is_plain(right):
                    continue
                if isinstance(operator, (ast.In, ast.NotIn)):
                    words = {word for word in named(left) if _has_secret({word})}
                else:
                    words = named(left) | named(right)
                if _has_secret(words):
                    found.append(ast.unparse(node))
        if isinstance(node, ast.Call) and _compares_with_a_method(node.func):
            found.append(ast.unparse(node))
    return found


def _compares_with_a_method(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and function.attr in _COMPARING_CALLS
        and _has_secret(named(function.value))
    )


def _has_secret(words: set[str]) -> bool:
    return bool(words & _SECRET_WORDS)


# Compared, and no secret, or not against one: each with its reason.
_ALLOWED = {
    # What a stranger might have signed with by mistake, told apart to say which mistake it was.
    "rules.py": {"wrong != secret"},
}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(EMULATOR)))
def test_no_secret_of_the_emulator_is_compared_by_its_characters(path):
    assert set(leaks(path.read_text())) <= _ALLOWED.get(path.name, set())


@pytest.mark.parametrize(
    "source",
    [
        'wanted == auth.fields["sign"]',
        "hmac.new(secret, content).hexdigest() != sign.lower()",
        "given == self._password",
        "morsel.value == self._session",
        'found.token == headers["password"]',
        "token in known_tokens",
        "sign.startswith(wanted)",
        "secret[:4] == given",
    ],
)
def test_comparison_that_tells_by_its_time_is_noticed(source):
    assert leaks(source)


@pytest.mark.parametrize(
    "source",
    [
        "hmac.compare_digest(wanted, sign)",
        "len(sign) != digits",
        "token is None",
        'token == ""',
        "token.device == device",
    ],
)
def test_comparison_of_what_is_no_secret_is_let_be(source):
    assert leaks(source) == []


def calls(path: Path, function: str) -> list[str]:
    """Return the arguments of each `hmac.compare_digest` in a function of a module."""
    (body,) = [
        node for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]  # fmt: skip
    return [
        " ".join(map(ast.unparse, node.args))
        for node in ast.walk(body)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "hmac.compare_digest"
    ]


@pytest.mark.parametrize(
    ("module", "function", "what"),
    [
        ("rules.py", "_is_hmac", "sign"),
        ("access.py", "_admit", "_password"),
        ("access.py", "_has_session", "_session"),
    ],
)
def test_signature_password_and_session_go_through_compare_digest(module, function, what):
    assert [call for call in calls(EMULATOR / module, function) if what in call]


def test_token_is_looked_up_by_its_hash_whose_time_tells_nothing_of_it():
    # A database finds by comparing; of a SHA-256 that says nothing about the token.
    tree = ast.parse((EMULATOR / "store.py").read_text())
    (find,) = [node for node in ast.walk(tree) if getattr(node, "name", "") == "find_token"]
    text = ast.unparse(find)
    assert "WHERE hash = ?" in text
    assert "(_hash(token),)" in text
