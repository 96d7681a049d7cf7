# Which of our modules are in heap once the App runs.
import sys

sys.path[:] = ["/board/in_memory"]
from start import Silent, port

# step
from linkpost import App, Config
import linkpost.boot

the_port = port()
app = App(Config.load("config.json"), port=the_port, log=Silent())
app.run(reports=3)
# step
import json

names = [name[9:] for name in sys.modules if name.startswith("linkpost.")]


def depth(name):
    order = ("errors", "loader", "version", "clock", "log", "protocol", "storage", "net", "ports")
    room = name.split(".")[0]
    last = ("link", "app", "boot")
    place = order.index(room) if room in order else 20
    return (last.index(name) + 30 if name in last else place, name)


for name in sorted(names, key=depth):
    print(json.dumps({"what": name}))
