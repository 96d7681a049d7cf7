# The whole App: its heap once it runs, whether that grows, and 100 waiting readings drained.
import sys

sys.path[:] = ["/board/in_memory"]
from start import Silent, allocated, mark, platform, port, show

# step
mark("base")
# step
import gc
from linkpost import App, Config, ports
import linkpost.boot

# step
show("App imported")
the_port = port()
ports.detect = lambda: the_port
config = Config.load("config.json")
# step
app = App(config, log=Silent())
# step
show("App built")
app.run(reports=3)
# step
show("App running")
mark("running")
app.run(reports=1000)
# step
show("growth over 1,000 reports", "running")
app.run(reports=1024)  # to a place where a whole turn of the ring begins
# step
gc.disable()
allocated("one append", lambda: app.append({"t": 21.5, "h": 40}), 8)
gc.enable()
# step
for _ in range(100 - app.pending):
    app.append({"t": 21.5, "h": 40})
# step
show("100 readings waiting", "running")
platform.handshakes = platform.requests = 0
app.close()
app.drain()
# step
import json

print(
    json.dumps({"what": "handshakes to drain 100, kept connection", "count": platform.handshakes})
)
show("100 readings drained", "running")
