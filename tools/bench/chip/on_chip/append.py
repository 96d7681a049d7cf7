# 1,000 readings stored and none sent: how long, and whether a collection falls into one.
import time

app = App(Config.load("config.json"))
values = {"temperature": 21.5}
for _ in range(OPTIONS["rounds"]):
    before = gc.mem_alloc()
    start = time.ticks_us()
    app.append(values)
    us = time.ticks_diff(time.ticks_us(), start)
    print("RESULT", us, int(gc.mem_alloc() < before))
