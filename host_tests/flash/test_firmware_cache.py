"""MicroPython's firmware: downloaded once from a real HTTP server on this machine."""

import functools
import http.server
import threading

import pytest
from firmware_files import firmware_of

from tools.firmware.boards import find_board
from tools.flash import firmware_cache
from tools.terminal.failures import NETWORK, CommandError

BOARD = find_board("ESP32_GENERIC")
NAME = BOARD.url.rpartition("/")[2]


class Site:
    """A download site; counts what is asked for, and can cut a download short."""

    def __init__(self, folder):
        self.folder = folder
        self.requests = []
        self.cut = False

    def __enter__(self):
        site = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                site.requests.append(self.path)
                if not site.cut:
                    super().do_GET()
                    return
                self.send_response(200)
                self.send_header("Content-Length", "100000")
                self.end_headers()
                self.wfile.write(b"x" * 1000)

            def log_message(self, *_):
                pass

        handler = functools.partial(Handler, directory=str(self.folder))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setattr(firmware_cache, "cache_dir", lambda: tmp_path / "cache")
    with Site(folder) as found:
        monkeypatch.setenv(firmware_cache.URL_VARIABLE, found.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield found


def test_firmware_is_downloaded_once(site):
    (site.folder / NAME).write_bytes(firmware_of(BOARD))
    seen = []
    first = firmware_cache.firmware_for(BOARD, lambda done, total: seen.append((done, total)))
    assert first == (NAME, firmware_of(BOARD))
    assert seen[-1] == (len(first[1]), len(first[1]))
    assert firmware_cache.firmware_for(BOARD) == first
    assert site.requests == [f"/{NAME}"]


def test_firmware_that_changed_on_disk_is_refused(site):
    (site.folder / NAME).write_bytes(firmware_of(BOARD))
    firmware_cache.firmware_for(BOARD)
    kept = firmware_cache.cache_dir() / NAME
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    with pytest.raises(CommandError, match="has changed since"):
        firmware_cache.firmware_for(BOARD)


def test_download_that_is_cut_leaves_nothing(site):
    site.cut = True
    with pytest.raises(CommandError) as caught:
        firmware_cache.firmware_for(BOARD)
    assert caught.value.exit_code == NETWORK
    assert not firmware_cache.cache_dir().exists()


def test_download_of_what_is_not_there_says_what_to_do(site):
    with pytest.raises(CommandError, match="--firmware") as caught:
        firmware_cache.firmware_for(BOARD)
    assert "not found" in str(caught.value)
    assert caught.value.exit_code == NETWORK


def test_site_that_does_not_answer_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(firmware_cache, "cache_dir", lambda: tmp_path / "cache")
    monkeypatch.setenv(firmware_cache.URL_VARIABLE, "http://127.0.0.1:9")
    with pytest.raises(CommandError, match="--firmware"):
        firmware_cache.firmware_for(BOARD)


def test_file_of_ones_own_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(CommandError, match="cannot read"):
        firmware_cache.firmware_from(tmp_path / "nothing.bin")
