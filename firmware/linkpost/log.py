"""The log line: one contract for people, `linkpost monitor` and tests.

    12.345 I send accepted seq=17 ms=412

Seconds since boot, level (D I W E), area (app wifi clock send store sensor), a phrase that does
not change, then key=value. A value with spaces stands in double quotes.
"""


def _writer(level):
    def write(self, area: str, phrase: str, *pairs) -> None:
        ms = self._port.uptime_ms()
        line = "%d.%03d %s %s %s" % (ms // 1000, ms % 1000, level, area, phrase)
        for i in range(0, len(pairs), 2):
            text = str(pairs[i + 1]).replace('"', "'")
            # One line is one event: what came from a peer or a sensor cannot make a second one.
            # By bytes: a character of its own is a name, which MicroPython keeps for good.
            data = bytearray(text.encode() or b" ")
            if min(data) < 32:
                for at in range(len(data)):
                    data[at] = max(data[at], 32)
                text = str(data, "utf-8")
            if " " in text or not text:
                text = '"%s"' % text
            line += " %s=%s" % (pairs[i], text)
        if level in "WE":
            Log.trouble = line
        self._write(line)

    return write


class Log:
    """Writes log lines. Nothing secret is ever handed to it.

    debug, info, warning, error(area, phrase, *pairs)   write a line of that level; `pairs` are
              keys and values in turn
    trouble   the newest line of level W or E in this boot, whoever wrote it; None: there was none
    """

    trouble: str = None  # of the class: `linkpost status` asks for it after the app was stopped
    debug = _writer("D")
    info = _writer("I")
    warning = _writer("W")
    error = _writer("E")

    def __init__(self, port, write=print):
        self._port = port
        self._write = write
