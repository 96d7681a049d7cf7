"""The config's way to the board: whatever cuts it off, there is the old one or the new one."""

import pytest
from littlefs_board import LittlefsBoard

from tools.provision.command import write_config
from tools.terminal.failures import CommandError

OLD = b'{"device_name": "old"}' * 30
NEW = b'{"device_name": "new"}' * 40


def test_power_cut_at_any_flash_write_leaves_the_old_or_the_new_config():
    found = []
    for cut_at in range(1, 200):
        board = LittlefsBoard({"config.json": OLD})
        board.flash.operations = 0
        board.flash.cut_at = cut_at
        try:
            write_config(board, NEW)
        except CommandError:
            board.power_up()
            found.append(board.content()["config.json"])
            continue
        break
    else:
        raise AssertionError("it never ends")
    assert board.content() == {"config.json": NEW}
    assert len(found) > 3
    assert set(found) <= {OLD, NEW}
    assert found[0] == OLD


@pytest.mark.parametrize("stop", [KeyboardInterrupt, CommandError])
def test_write_that_is_stopped_leaves_nothing_beside_the_config(stop):
    class Stopped(LittlefsBoard):
        is_stopped = False

        def write(self, path, content, *, atomic=False, progress=None):
            if self.is_stopped:
                super().write(path + ".new", content[:100])
                raise stop("in the middle")
            super().write(path, content, atomic=atomic, progress=progress)

    board = Stopped({"config.json": OLD})
    board.is_stopped = True
    with pytest.raises(stop):
        write_config(board, NEW)
    assert board.content() == {"config.json": OLD}
