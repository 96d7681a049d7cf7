"""`make setup` says how far it is, and of a failure all that pip said."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def install(code):
    return subprocess.run(
        [sys.executable, ROOT / "tools" / "install.py", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_packages_are_counted_and_pips_words_left_out():
    code = (
        "import time\n"
        "for n in range(3): print(f'Collecting package{n}==1.0', flush=True); time.sleep(2.6)\n"
        "print('Installing collected packages: a, b', flush=True)"
    )
    done = install(code)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "  3 packages: package2\n  writing them\n"


def test_failure_is_told_whole_with_its_code():
    done = install("print('Collecting a'); print('ERROR: hashes'); raise SystemExit(3)")
    assert done.returncode == 3
    assert "ERROR: hashes" in done.stderr


def test_makefile_installs_through_it():
    text = (ROOT / "Makefile").read_text()
    assert "$(PYTHON) tools/install.py $(BIN)/python -m pip install" in text
