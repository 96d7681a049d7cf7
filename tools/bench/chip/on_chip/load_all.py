# Load once what is loaded now and then. Its names are MicroPython's own: they are counted. Not
# `aio`: it and asyncio stay, with programs that import it, and an App does not.
import os
import sys

from linkpost.loader import load

path = ["/lib/linkpost"]
for key in path:
    for value in os.ilistdir(key):
        if value[1] == 0x4000:
            path.append(key + "/" + value[0])
        elif value[0].endswith(".mpy") and value[0] not in ("__init__.mpy", "aio.mpy"):
            name = (key + "/" + value[0])[14:-4].replace("/", ".")
            if "linkpost." + name not in sys.modules:
                load(name)
del path, key, value, name
