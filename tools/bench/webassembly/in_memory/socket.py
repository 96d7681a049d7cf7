"""A socket to nowhere, for the heap benchmark: what it costs is not the firmware's."""

AF_INET = 2
SOCK_STREAM = 1
SOCK_DGRAM = 2
_ADDRESSES = [(AF_INET, SOCK_STREAM, 0, "", ("127.0.0.1", 443))]


def getaddrinfo(*_):
    return list(_ADDRESSES)


class socket:  # noqa: N801  as the module's own
    def __init__(self, *_):
        pass

    def setblocking(self, flag):
        pass

    def setsockopt(self, level, option, value):
        pass

    def connect(self, address):
        pass

    def recv(self, size):
        raise OSError(11)

    def readinto(self, buffer):
        return None

    def write(self, data):
        return len(data)

    def close(self):
        pass
