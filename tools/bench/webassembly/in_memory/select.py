"""Everything is ready at once."""

POLLIN = 1
POLLOUT = 4
_READY = [(None, POLLIN | POLLOUT)]


class poll:  # noqa: N801  as the module's own
    def register(self, sock, mask):
        pass

    def modify(self, sock, mask):
        pass

    def ipoll(self, ms):
        return _READY

    poll = ipoll
