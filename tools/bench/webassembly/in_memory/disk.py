"""The runtime's own file system, with the error numbers of the chips: Emscripten has its own."""

import os

import vfs

_CHIP_NUMBER = {44: 2, 20: 17, 31: 21, 54: 20, 55: 39, 28: 22, 51: 28}


def _translated(name):
    def call(self, *arguments):
        try:
            return getattr(self._below, name)(*arguments)
        except OSError as error:
            raise OSError(_CHIP_NUMBER.get(error.errno, error.errno)) from None

    return call


class Disk:
    """A folder of the runtime's own file system, as a file system."""

    def __init__(self, folder):
        self._below = vfs.VfsPosix(folder)

    def mount(self, *arguments):
        self._below.mount(*arguments)

    def umount(self):
        self._below.umount()

    open = _translated("open")
    stat = _translated("stat")
    statvfs = _translated("statvfs")
    ilistdir = _translated("ilistdir")
    mkdir = _translated("mkdir")
    remove = _translated("remove")
    rename = _translated("rename")
    rmdir = _translated("rmdir")
    chdir = _translated("chdir")
    getcwd = _translated("getcwd")


def use(folder):
    """Make that folder the root."""
    disk = Disk(folder)
    vfs.umount("/")
    vfs.mount(disk, "/")
    os.chdir("/")
