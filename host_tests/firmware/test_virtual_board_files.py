"""Which files a board gets, and the config's check before anything is made."""

import datetime
import json
import re
from pathlib import PurePosixPath

import pytest
import trustme
from cryptography import x509

from tools import firmware
from tools.firmware import board_files, deploy_record, mpy
from tools.terminal.failures import CommandError

CONFIG = {
    "endpoint": "localhost:8443",
    "product_key": "a1B2c3D4e5F",
    "device_name": "sensor01",
    "device_secret": "SeCrEt0123456789",
    "sensors": [{"type": "simulated"}],
}


def files_for(config=CONFIG, **options):
    return board_files.files_for(config, **{"chip": "host", "native_digests": True, **options})


def test_files_are_byte_code_with_main_as_source():
    files = files_for()
    library = {name for name in files if name.startswith("lib/")} - {deploy_record.PATH}
    assert files["main.py"] == firmware.main_py().read_bytes()
    assert {"lib/linkpost/__init__.mpy", "lib/linkpost/client.mpy"} <= library
    assert all(name.endswith(".mpy") and files[name][:2] == b"M\x06" for name in library)


def test_files_for_cpython_are_the_sources():
    files = files_for(byte_code=False)
    source = firmware.package_dir() / "client.py"
    assert files["lib/linkpost/client.py"] == source.read_bytes()
    assert not [name for name in files if name.endswith(".mpy")]


def test_files_the_config_does_not_use_are_left_out():
    names = set(files_for())
    assert "lib/linkpost/sensors/simulated.mpy" in names
    assert "lib/linkpost/ports/host.mpy" in names
    for name in ("sensors/onchip", "sensors/dht", "ports/esp32", "ports/rp2", "protocol/digests"):
        assert f"lib/linkpost/{name}.mpy" not in names
    assert not [name for name in names if name.startswith("lib/linkpost/certs")]


def test_files_of_sensors_are_those_that_the_config_needs():
    assert board_files.sensor_files([]) == {"system"}  # each boot stores one
    specs = [{"type": "dht22"}, {"type": "onchip"}, {"type": "dht11"}]
    assert board_files.sensor_files(specs) == {"dht", "onchip", "system"}
    specs = [{"type": "user.soil"}, {"type": "bme280"}]
    assert board_files.sensor_files(specs) == {"bme280", "system", "user"}


@pytest.mark.parametrize("chip", ["host", "esp32", "rp2"])
def test_files_of_a_chip_have_all_that_they_import_at_once(chip):
    files = files_for(chip=chip, byte_code=False)
    assert {
        f"lib/linkpost/ports/{name}.py" for name in (chip, "chip_rare", "boots_rare")
    } <= files.keys()
    for name, content in files.items():
        folder = PurePosixPath(name).parent
        for dots, module in re.findall(rb"^from (\.+)([\w.]+) import", content, re.MULTILINE):
            target = (folder, folder.parent)[len(dots) - 1].joinpath(*module.decode().split("."))
            assert {f"{target}.py", f"{target}/__init__.py"} & files.keys(), (name, module)


def test_files_for_every_board_have_the_client_for_asyncio():
    # A program may come later, and from anywhere: mpremote run, a file that main.py imports.
    assert "lib/linkpost/aio.mpy" in files_for(with_aio=True)
    assert "lib/linkpost/aio.mpy" not in files_for()


def test_files_for_a_board_without_native_digests_have_ours():
    names = set(files_for(native_digests=False))
    assert "lib/linkpost/protocol/digests.mpy" in names


def test_anchors_are_the_platforms_four():
    assert sorted(board_files.root_certificates()) == [
        "certs/globalsign_r1.der",
        "certs/globalsign_r3.der",
        "certs/globalsign_r46.der",
        "certs/globalsign_r6.der",
    ]


def test_anchors_with_a_ca_file_have_each_of_its_certificates(tmp_path):
    authorities = [trustme.CA(key_type=trustme.KeyType.RSA), trustme.CA()]
    path = tmp_path / "ca.pem"
    path.write_bytes(b"".join(ca.cert_pem.bytes() for ca in authorities))
    added = board_files.root_certificates(path).keys() - board_files.root_certificates().keys()
    found = {
        x509.load_der_x509_certificate(board_files.root_certificates(path)[name]) for name in added
    }
    assert found == {x509.load_pem_x509_certificate(ca.cert_pem.bytes()) for ca in authorities}
    assert all(c.not_valid_after_utc > datetime.datetime.now(datetime.UTC) for c in found)


@pytest.mark.parametrize("content", [None, b"", b"not PEM"])
def test_anchors_with_a_wrong_ca_file_are_a_usage_error(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match="--ca") as caught:
        board_files.root_certificates(path)
    assert caught.value.exit_code == 2


def test_config_that_is_good_is_returned_byte_for_byte(tmp_path):
    path = tmp_path / "config.json"
    text = json.dumps(CONFIG, indent=3).encode()
    path.write_bytes(text)
    assert board_files.load_config(path) == (text, CONFIG)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_config_as_windows_saves_it_goes_to_the_board_in_utf_8_without_a_mark(tmp_path, encoding):
    path = tmp_path / "config.json"
    config = {**CONFIG, "hostname": "s1"}
    path.write_bytes(json.dumps(config).encode(encoding))
    assert board_files.load_config(path) == (json.dumps(config).encode(), config)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "cannot read"),
        ('{"device_secret": "SeCrEt0123456789",,}', "is not JSON"),
        (json.dumps({**CONFIG, "intervall_s": 5}), "intervall_s"),
        (json.dumps({**CONFIG, "device_secret": ["SeCrEt0123456789"]}), "device_secret"),
        (b"\xff\xfe{}", "is not JSON"),
    ],
)
def test_config_that_is_wrong_is_refused_without_its_secret(tmp_path, content, expected):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Exception, match=expected) as caught:
        board_files.load_config(path)
    assert type(caught.value).__name__ in ("CommandError", "ConfigError")
    assert "SeCrEt" not in str(caught.value)


def test_mpy_of_a_wrong_source_is_refused_with_its_name():
    with pytest.raises(CommandError, match=r"(?s)linkpost/x\.py.*SyntaxError"):
        mpy.compile_mpy(b"def f(:\n", "linkpost/x.py")


def test_mpy_is_kept_and_another_name_makes_another(tmp_path, monkeypatch):
    monkeypatch.setattr(mpy, "_kept_dir", lambda: tmp_path / "kept")
    first = mpy.compile_mpy(b"x = 1\n", "a.py")
    assert mpy.compile_mpy(b"x = 1\n", "b.py") != first
    assert len(list((tmp_path / "kept").iterdir())) == 2
    monkeypatch.setattr(mpy, "_run_mpy_cross", lambda *_: pytest.fail("made again"))
    assert mpy.compile_mpy(b"x = 1\n", "a.py") == first


def test_mpy_where_nothing_can_be_kept_is_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setattr(mpy, "_kept_dir", lambda: tmp_path / "file" / "kept")
    assert mpy.compile_mpy(b"x = 1\n", "a.py")[:2] == b"M\x06"


def test_files_that_optional_files_import_at_once_come_along(tmp_path, monkeypatch):
    sources = {
        "app.py": "from .sensors.a import A\ndef f():\n    from .sensors.lazy import L\n",
        "sensors/__init__.py": "TYPES = {}\n",
        "sensors/a.py": "from ..ports import one\n",
        "ports/__init__.py": "port = None\n",
        "ports/one.py": "from .two import x, y\n",
        "ports/two.py": "import sys\n",
        "ports/three.py": "",
        "sensors/lazy.py": "",
    }
    for name, text in sources.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(firmware, "package_dir", lambda: tmp_path)
    monkeypatch.setattr(board_files, "sensor_files", lambda specs: set())
    files = board_files._modules_for({}, "host", True, with_aio=False)
    assert sources.keys() - files.keys() == {"ports/three.py", "sensors/lazy.py"}


def test_traceback_name_tells_one_module():
    _, loaded = board_files.byte_code_sources()
    modules = board_files.sources()
    names = {board_files.traceback_name(module, module in loaded) for module in modules}
    assert len(names) == len(modules)


def test_traceback_names_are_the_modules_own():
    for module, name in (
        ("app.py", b"app"),
        ("net/connecting.py", b"net.connecting"),
        ("storage/readings.py", b"readings"),
        ("ports/__init__.py", b"ports"),
        ("__init__.py", b"linkpost"),
    ):
        byte_code = board_files.files_for({}, chip="esp32", native_digests=True)
        # The first of its names: its length, twice, and itself.
        assert (
            bytes([2 * len(name)]) + name + b"\0" in byte_code[f"lib/linkpost/{module[:-3]}.mpy"]
        )
        assert module.encode() not in byte_code[f"lib/linkpost/{module[:-3]}.mpy"]
