# The whole App: its heap once it runs, whether that grows, and 100 waiting readings drained.
import sys

sys.path[:] = ["/board/in_memory"]
from start import Silent, allocated, mark, platform, port, show, show_growth

# step
mark("base")
# step
import gc
from linkpost import App, Config
import linkpost.boot

# step
show("App imported")
the_port = port()
config = Config.load("config.json")
# step
app = App(config, port=the_port, log=Silent())
# step
show("App built")
app.run(reports=3)
# step
show("App running")
# What happens once in a while has happened once, and its names are there.
app.run(reports=100)
the_port.feed()
# step
mark("running")
app.run(reports=1100)
the_port.feed()
# step
mark("later")
app.run(reports=2100)
the_port.feed()
# step
mark("last")
app.run(reports=3100)
the_port.feed()
# step
show_growth("growth over 1,000 reports", "running", "later", "last")
app.run(reports=3136)  # to a place where a whole turn of the ring begins
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
