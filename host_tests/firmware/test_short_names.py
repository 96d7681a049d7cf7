"""Short names in the byte code: only what nobody else asks for, and never two things by one."""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize

import pytest

from host_tests.shared.byte_code import names_asked_for
from tools.firmware import board_files, copies, loaded_names, name_scan, short_names
from tools.firmware.mpy import compile_mpy


def shorten(text: str, path: str = "app.py", kept: tuple = (), other: str = "") -> str:
    """Return what becomes of one module of which people ask; `other` stands beside it."""
    sources = {path: text.encode(), "other.py": other.encode()}
    return short_names.shorten(sources, kept)[path].source.decode()


def names_in(text: str) -> set[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def test_private_function_data_and_argument_are_short():
    assert shorten("_LIST = [1]\ndef _take(left):\n    return left, _LIST\nx = _take(2)\n") == (
        "key = [1]\ndef A(value):\n    return value, key\nx = A(2)\n"
    )


def test_attributes_and_methods_of_self_are_short():
    text = (
        "class A:\n    def __init__(self):\n        self._left = 1\n    def _go(self):\n        "
    )
    assert shorten(text + "return self._left\n") == (
        "class A:\n    def __init__(self):\n        self.A = 1\n    def B(self):\n        "
        "return self.A\n"
    )


def test_lines_and_what_is_no_name_stay():
    text = 'def _f():  # _f\n    """Of _f."""\n    return "_x"\n\n\ny = (\n    _f()\n)  # é _f\n'
    assert shorten(text) == text.replace("def _f", "def A").replace("    _f()", "    A()")
    assert shorten('é = "é"; _f = 1; z = é, _f\n') == 'é = "é"; key = 1; z = é, key\n'


@pytest.mark.parametrize(
    ("why", "name", "text"),
    [
        ("dunder", "__all__", "__all__ = 1\n"),
        ("const, which leaves no name", "_A", "_A = const(1)\nx = _A\n"),
        ("in a string", "_take", "def _take():\n    pass\ngetattr(x, '_take')\n"),
        ("in a dotted string", "_take", "def _take():\n    pass\nload('net._take')\n"),
        ("asked of a module", "_take", "def _take():\n    pass\nx = m._take\n"),
        ("of another", "_a", "class A:\n    _a = 1\n    def f(self):\n        x._a\n"),
        ("of a class", "_a", "class A:\n    _a = 1\nx = A._a\n"),
        ("set by nobody here", "_a", "class A:\n    def f(self):\n        return self._a\n"),
        ("read in a class' lines", "_a", "class A:\n    _a = 1\n    b = _a\n"),
        ("a keyword of some call", "first", "def _f(first):\n    pass\ng(first=1)\n"),
        ("builtin elsewhere", "type", "def _f(type):\n    pass\ndef g():\n    type(1)\n"),
        (
            "static method's own",
            "_a",
            "class A:\n    _a = 1\n    @staticmethod\n    def f(self):\n        self._a\n",
        ),
        (
            "an inner function's own self",
            "_a",
            "class A:\n    _a = 1\n    def f(self):\n        return lambda self: self._a\n",
        ),
        ("caught", "error", "def _f(error):\n    try: g()\n    except E as error: pass\n"),
        ("imported", "_x", "import m as _x\n_x.f()\n"),
        ("an attribute without underscore", "left", "class _A:\n    left = 1\n"),
    ],
)
def test_name_that_stays(why, name, text):
    for path in ("app.py", "net/a.py"):
        assert name in names_in(shorten(text, path)), why


def test_name_that_others_ask_for_stays():
    text = "def _take():\n    pass\n"
    assert shorten(text, other="from .app import _take\n") == text
    assert shorten(text, other="from . import app\napp._take()\n") == text
    assert shorten(text, other="x = '_take'\n") == text
    assert shorten(text, kept=("_take",)) == text
    assert shorten(text, other="def _take():\n    pass\n") != text  # its own of that name
    held = "class A:\n    def __init__(self):\n        self._a = 1\n"
    assert shorten(held, other="def f(a):\n    return a._a\n") == held
    own = "class B:\n    _a = 2\n    def g(self):\n        self._a\n"
    assert shorten(held, other=own) != held


def test_name_without_underscore_is_short_where_nobody_can_ask_for_it():
    text = "LIMIT = 5\ndef take():\n    return LIMIT\n"
    assert shorten(text, "net/a.py") == "key = 5\ndef A():\n    return key\n"
    for path in ("app.py", "ports/boots_rare.py", "sensors/dht.py", "log.py"):
        assert shorten(text, path) == text
    asking = "from .net.a import take\nx.LIMIT\n"
    assert shorten(text, "net/a.py", other=asking) == text


LOADED = "def take():\n    pass\nclass Kept:\n    pass\n"


@pytest.mark.parametrize(
    ("asking", "short"),
    [
        ('def f():\n    load("net.a").take()\n', 'def f():\n    load("net.a").A()\n'),
        (
            'def f():\n    a = load("net.a")\n    a.take(a.take)\n    load("net.a")\n',
            'def f():\n    a = load("net.a")\n    a.A(a.A)\n    load("net.a")\n',
        ),
        (
            'def f(x):\n    return (x or load("net.a").Kept)(x.take)\n',
            'def f(x):\n    return (x or load("net.a").A)(x.take)\n',
        ),
    ],
)
def test_name_that_is_asked_of_a_loaded_module_is_short_in_both(asking, short):
    sources = {"net/a.py": LOADED.encode(), "app.py": asking.encode()}
    made = short_names.shorten(sources)
    assert made["app.py"].source.decode() == short
    assert names_in(made["net/a.py"].source.decode()) >= set(re.findall(r"\b_\d\b", short))
    # A test that asks for it finds it.
    made = short_names.shorten(sources, kept=("take", "Kept"))
    assert made["app.py"].source == sources["app.py"]
    assert made["net/a.py"].source == sources["net/a.py"]


@pytest.mark.parametrize(
    ("path", "asking"),
    [
        ("net/a.py", 'def f():\n    load("net.a").take()\n    return load("net.a")\n'),
        ("net/a.py", 'def f():\n    a = load("net.a")\n    a.take()\n    g(a)\n'),
        ("net/a.py", 'def f():\n    a = b = load("net.a")\n    a.take()\n    b.take()\n'),
        ("net/a.py", 'def f():\n    a = load("net.a")\n    a = None\n    a.take()\n'),
        ("net/a.py", 'a = load("net.a")\ndef f():\n    a.take()\n'),
        (
            "net/a.py",
            'a = 1\ndef f():\n    global a\n    a = load("net.a")\ndef g():\n    a.take()\n',
        ),
        ("net/a.py", 'def f(x):\n    x.a = load("net.a")\n    x.a.take()\n'),
        ("net/a.py", 'from .net.a import take\ndef f():\n    load("net.a").take()\n'),
        ("net/a.py", 'def f():\n    load("net.a").take()\nx = "take"\n'),
        ("version.py", 'def f():\n    load("version").take()\n'),
        ("log.py", 'def f():\n    load("log").take()\n'),
        ("ports/rare.py", 'def f():\n    load("ports.rare").take()\n'),
    ],
)
def test_name_of_a_loaded_module_stays_where_somebody_unseen_may_ask(path, asking):
    assert "take" in names_in(shorten(LOADED, path, other=asking))
    assert "take" in names_in(shorten(asking, "other_one.py", other=""))


def test_load_of_a_name_that_is_made_is_refused():
    with pytest.raises(name_scan.NotShown, match=r"^app\.py:2: load"):
        shorten("def f(x):\n    load(x).take()\n")
    assert shorten("def f(x):\n    load(x).take()\n", "ports/a.py")


def test_loaded_module_that_is_asked_by_getattr_is_refused():
    with pytest.raises(name_scan.NotShown, match="getattr"):
        shorten('def f(x):\n    return getattr(load("net.a"), x)\n')


def test_attributes_of_sensors_stay_for_those_that_inherit():
    text = "class I2CSensor:\n    _a = 1\n    def _read(self):\n        return self._a\n"
    assert shorten(text, "sensors/i2c.py") == text
    assert "_read" not in shorten(text, "sensors/building.py")


def test_attribute_of_a_class_elsewhere_is_hidden_by_none():
    base = "class Base:\n    def __init__(self):\n        self._a = 1\n"
    heir = "class Heir(Base):\n    def __init__(self):\n        self._b = self._a\n"
    for how in (
        "from .a import Base\n",
        "from .a import Base as X\n",
        "from . import a\n",
        'Base = load("a").Base\n',
    ):
        text = how + heir
        if " as X" in how:
            text = text.replace("(Base)", "(X)")
        if how.endswith("import a\n"):
            text = text.replace("(Base)", "(a.Base)")
        short = short_names.shorten({"a.py": base.encode(), "b.py": text.encode()})
        assert short["a.py"].attributes == {"_a": "A"}
        assert short["b.py"].attributes == {"_a": "A", "_b": "B"}, how
    # By way of a third module, and between two heirs.
    other = "from .b import Heir\nclass Third(Heir):\n    def h(self):\n        self._c = 1\n"
    made = {"a.py": base, "b.py": "from .a import Base\n" + heir, "c.py": other}
    short = short_names.shorten({path: text.encode() for path, text in made.items()})
    assert short["c.py"].attributes == {"_c": "C"}


def test_function_that_a_getattr_finds_stays():
    base = (
        "class Port:\n    def __getattr__(self, name):\n        return getattr(rare, name)\n"
        "    def f(self):\n        return self._rare()\n"
    )
    rare = "def _rare():\n    pass\ndef _other():\n    pass\n"
    short = short_names.shorten({"ports.py": base.encode(), "rare.py": rare.encode()})
    assert short["rare.py"].variables == {"_other": "A"}


def test_names_of_all_kinds_of_scope_keep_apart():
    text = (
        "_count = 0\n_list = []\n"
        "def _f(first, *more, **rest):\n"
        "    global _count\n"
        "    _count += first\n"
        "    kept = 1\n"
        "    def inner(second=_list):\n"
        "        nonlocal kept\n"
        "        kept += second[0] if second else len(more)\n"
        "        return [first for first in more]\n"
        "    return inner(), kept, sorted(rest), (lambda third: third + first)(1)\n"
        "class _C:\n"
        "    _shared = 5\n"
        "    def __init__(self, given):\n"
        "        self._given = given\n"
        "    def all_of(self, first):\n"
        "        return self._given + self._shared + first\n"
        "def result():\n"
        "    return _f(1, 2, 3, x=4), _count, _C(7).all_of(1)\n"
    )
    short = shorten(text, "net/a.py", other="x.result\n")
    assert names_in(short) - names_in(text) - set(short_names._WORDS) == {"A", "B"}
    assert not names_in(short) & {"first", "more", "given", "third", "second", "rest"}
    found = []
    for source in (text, short):
        names: dict = {}
        exec(source, names)  # noqa: S102
        found.append(names["result"]())
    assert found[0] == found[1]


def test_arguments_of_what_people_call_stay():
    text = "class App:\n    def run(self, reports):\n        pass\ndef _f(given):\n    pass\n"
    assert "reports" in shorten(text, "app.py")
    assert "given" not in shorten(text, "app.py")
    assert "reports" not in shorten(text, "sender.py")
    assert "reports" in shorten(text, "sensors/dht.py")
    assert "reports" not in shorten(text, "sensors/building.py")
    assert "reports" in shorten(text, "ports/rp2.py")
    assert "reports" not in shorten(text, "ports/chip_rare.py")


@pytest.mark.parametrize(
    "text",
    [
        "x = f'{_a}'\n",
        "x = globals()\n",
        "def f():\n    return locals()\n",
        "eval('_a')\n",
        "class A(made()):\n    pass\n",
        "class A(other.B):\n    pass\n",
        "class A:\n    def f(self):\n        self = 1\n",
        "def f():\n    global \\\n        _a\n    _a = 1\n",
        "match x:\n    case _a:\n        pass\n",
    ],
)
def test_module_in_which_nothing_can_be_shown_is_refused(text):
    with pytest.raises(name_scan.NotShown, match=r"^app\.py:\d"):
        shorten(text)


def test_words_cost_nothing():
    names = " = ".join(short_names._WORDS)
    assert not set(short_names._WORDS) & set(dir(builtins))
    made = compile_mpy(f"{names} = 1\nzzz = 2\n".encode(), "a")
    assert b"zzz\0" in made
    assert [word for word in short_names._WORDS if word.encode() + b"\0" in made] == []


# -- the whole firmware -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def firmware():
    sources = board_files.sources()
    return {path: (sources[path], one) for path, one in short_names.shorten(sources).items()}


def _tokens(source: bytes) -> list:
    return [
        (token.type, token.start[0], token.string)
        for token in tokenize.tokenize(io.BytesIO(source).readline)
        if token.type not in (tokenize.COMMENT, tokenize.NL)
    ]


def test_firmware_differs_in_private_names_and_arguments_only(firmware):
    changed = 0
    asked = loaded_names.asked({path: source for path, (source, _) in firmware.items()})
    of_loaded = {
        (place.path, place.line + 1, name): firmware[path][1].variables.get(name)
        for path, names in asked.items()
        for name, places in names.items()
        for place in places
    }
    for path, (source, short) in firmware.items():
        before, after = _tokens(source), _tokens(short.source)
        assert len(before) == len(after), path
        scan = name_scan.Scan(path, source)
        public = scan.module_level - short.variables.keys()
        assert public <= name_scan.Scan(path, short.source).module_level, path
        for old, new in zip(before, after, strict=True):
            assert old[:2] == new[:2], (path, old, new)
            if old[2] != new[2]:
                known = {short.variables.get(old[2]), short.attributes.get(old[2])}
                known.add(of_loaded.get((path, *old[1:])))
                assert new[2] in known, (path, old, new)
                changed += 1
        for one in (short.variables, short.attributes):
            assert len(set(one.values())) == len(one), path
        assert not set(short.variables.values()) & scan.variables.keys(), path
        assert not set(short.attributes.values()) & scan.attributes.keys(), path
    assert changed > 1_000


def test_firmware_uses_few_short_names(firmware):
    short = {
        name
        for _, one in firmware.values()
        for name in (*one.variables.values(), *one.attributes.values())
    }
    assert len(short - set(short_names._WORDS)) <= 32


def test_byte_code_is_the_same_each_time_and_whatever_goes_along(tmp_path, monkeypatch):
    first = board_files.firmware_byte_code(["app.py", "net/wifi.py"])
    monkeypatch.setattr(copies, "kept_dir", lambda: tmp_path)
    copies.copies.cache_clear()
    again = board_files.firmware_byte_code()
    assert {name: again[name] for name in first} == first
    deployed = board_files.files_for({}, chip="rp2", native_digests=True)
    assert deployed["lib/linkpost/app.mpy"] == first["app.mpy"]


def test_copies_are_kept_for_the_very_sources_and_made_for_others(tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "kept_dir", lambda: tmp_path)
    make, made = copies._make, []
    monkeypatch.setattr(copies, "_make", lambda *given: made.append(given) or make(*given))

    def copies_of(text, names=()):
        copies.copies.cache_clear()
        return copies.copies((("led.py", text),), frozenset(names))

    first = copies_of(b"_left = 1\ndef on(port):\n    return _left\n")
    assert copies_of(b"_left = 1\ndef on(port):\n    return _left\n") == first
    assert b"_left" not in first[0]["led.py"]
    assert len(made) == 1
    other = copies_of(b"_left = 2\ndef on(port):\n    return _left\n")
    assert other[0] != first[0]
    assert b"_left" in copies_of(b"_left = 2\n", names=["_left"])[0]["led.py"]
    (tmp_path / "copies.json").write_bytes(b'{"identity": ')
    assert copies_of(b"_left = 2\ndef on(port):\n    return _left\n") == other
    copies.copies.cache_clear()


def test_byte_code_does_not_import_const():
    sources = board_files.sources()
    made, _ = copies.copies(tuple(sources.items()), frozenset())
    assert sum(b"import const" in source for source in sources.values()) > 20
    for path, copy in made.items():
        assert b"import const" not in copy, path
        assert copy.count(b"\n") == sources[path].count(b"\n"), path
        # mpy-cross knows it by its name: were one left that it does not, the module would fail.
        after = compile_mpy(copy.replace(b"const(", b"("), "a")
        assert b"const(" not in copy or len(after) >= len(compile_mpy(copy, "a")), path


def test_names_that_the_tools_scripts_ask_for_are_left():
    """What runs on a board beside the firmware asks for nothing that is short there."""
    root = board_files.firmware.package_dir().parent.parent / "tools"
    sources = board_files.sources()
    shortened: set[str] = set()
    for path, one in short_names.shorten(sources).items():
        arguments = name_scan.Scan(path, sources[path]).arguments
        shortened |= one.attributes.keys() | one.variables.keys() - arguments
    # What is asked of loaded modules only; many a file or socket has a `read` as well.
    loaded = loaded_names.asked(sources)
    shortened -= set().union(*loaded.values())
    for folder in ("virtual_board/on_board", "chip/stand_ins", "bench/chip/on_chip"):
        files = sorted((root / folder).glob("*.py"))
        assert files, folder
        for path in files:
            asked = short_names.asked_for(path.read_bytes()) - _set_by_itself(path)
            assert not asked & shortened, path
            for module, names in loaded.items():
                if f"linkpost.{module[:-3].replace('/', '.')}" in path.read_text():
                    assert not asked & names.keys(), (path, module)


def _set_by_itself(path) -> set[str]:
    tree = ast.parse(path.read_bytes())
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return functions | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def test_tests_ask_for_private_names():
    assert "_read_gate" in names_asked_for()
