"""How long the firmware takes to import, from the .mpy files of a board. Prints us as JSON."""

import json
import time

start = time.ticks_us()
from linkpost import App, Config  # noqa: E402, F401
import linkpost.boot  # noqa: E402, F401, I001

print(json.dumps({"us": time.ticks_diff(time.ticks_us(), start)}))
