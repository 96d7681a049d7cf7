"""The trust anchors: the right ones, with days left; what `certs` finds, restores and says."""

from __future__ import annotations

import datetime
import json
import shutil
import warnings

import pytest
from cryptography import x509

from tools import cli, firmware
from tools.certs import roots
from tools.certs.roots import DIFFERS, MISSING, ROOTS, SAME
from tools.terminal.failures import CommandError

UTC = datetime.UTC
# R1, the first of them to end, ends then (docs/protocol.md, "Root certificates").
R1_ENDS = datetime.datetime(2028, 1, 28, 12, tzinfo=UTC)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the firmware's package, to be damaged; returns its certs folder."""
    copy = tmp_path / "linkpost"
    shutil.copytree(firmware.package_dir() / "certs", copy / "certs")
    monkeypatch.setattr(firmware, "package_dir", lambda: copy)
    return copy / "certs"


def command(*arguments: str) -> int:
    """Run `linkpost certs` in this process; return its exit code."""
    with pytest.raises(SystemExit) as end:
        cli.main(["certs", *arguments])
    return end.value.code


def test_anchors_shipped_are_whole_and_last_long_enough():
    """In CI: a warning 400 days before an anchor ends, a failure 60 days before."""
    warned, failed = roots.complaints(datetime.datetime.now(UTC))
    for line in warned:
        warnings.warn(line, stacklevel=1)
    assert failed == []


def test_anchors_are_the_four_roots_of_the_platforms_ca():
    files = roots.package_files()
    assert list(files) == sorted(anchor.file for anchor in ROOTS)
    for anchor in ROOTS:
        assert roots.package_state(anchor, files) == SAME
        root = x509.load_der_x509_certificate(files[anchor.file])
        assert root.subject == root.issuer
        assert "GlobalSign" in root.subject.rfc4514_string()
    assert roots.end_of(ROOTS[0]) == R1_ENDS


@pytest.mark.parametrize(
    ("days", "warned", "failed"),
    [(500, 0, 0), (400, 0, 0), (399, 1, 0), (60, 1, 0), (59, 0, 1), (0, 0, 1), (-1, 0, 1)],
)
def test_complaints_warn_at_400_days_and_fail_at_60(days, warned, failed):
    found = roots.complaints(R1_ENDS - datetime.timedelta(days))
    assert (len(found[0]), len(found[1])) == (warned, failed)
    for line in [*found[0], *found[1]]:
        assert line.startswith("GlobalSign R1")
        assert (f"{days} days" in line) if days >= 0 else ("has expired" in line)


def test_certs_says_what_each_copy_is_and_fails_only_when_asked(package, capsys):
    assert command("--check") == 0
    (package / "globalsign_r3.der").write_bytes(b"damaged")
    (package / "globalsign_r6.der").unlink()
    assert command("--json") == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    states = {row["file"]: row["package"] for row in shown["anchors"]}
    assert states["globalsign_r1.der"] == SAME
    assert states["globalsign_r3.der"] == DIFFERS
    assert states["globalsign_r6.der"] == MISSING
    # Of what is damaged here, certifi knows the end.
    assert all(row["days_left"] for row in shown["anchors"])
    assert len(shown["failures"]) == 2
    assert command("--check") == 4
    assert "linkpost certs --update" in capsys.readouterr().err


def test_certs_update_restores_from_certifi_by_fingerprint(package, capsys):
    good = (package / "globalsign_r46.der").read_bytes()
    (package / "globalsign_r46.der").write_bytes(good[:-1])
    (package / "globalsign_r3.der").unlink()
    assert command("--update", "--check") == 0
    assert (package / "globalsign_r46.der").read_bytes() == good
    errors = capsys.readouterr().err
    assert "restored globalsign_r3.der" in errors
    assert "restored globalsign_r46.der" in errors
    assert command("--update") == 0
    assert "restored" not in capsys.readouterr().err


def test_certs_update_keeps_the_root_that_certifi_gave_up(package, monkeypatch):
    r1 = ROOTS[0]
    kept = {sha: der for sha, der in roots.from_certifi().items() if sha != r1.sha256}
    monkeypatch.setattr(roots, "from_certifi", lambda: kept)
    before = (package / r1.file).read_bytes()
    assert roots.restore() == []
    assert (package / r1.file).read_bytes() == before
    (package / r1.file).unlink()
    with pytest.raises(CommandError, match="install linkpost again"):
        roots.restore()


def test_certs_foreign_file_among_the_anchors_is_a_failure(package, capsys):
    (package / "other.der").write_bytes(b"x")
    assert command("--check") == 4
    assert "other.der" in capsys.readouterr().err


def test_certs_table_fits_80_columns_and_has_no_colours_in_a_pipe(capsys):
    assert command() == 0
    shown = capsys.readouterr().out
    assert all(len(line.rstrip()) <= 80 for line in shown.splitlines())
    assert "\x1b" not in shown
    assert "GlobalSign R46" in shown
