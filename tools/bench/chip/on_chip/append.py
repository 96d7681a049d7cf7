# 1,000 readings stored and none sent, in an App that has run: how long, and whether a collection
# falls into one. The App collects between readings, where nobody waits; so does this.
import time

app = App(Config.load("config.json"))
app.run(reports=1)
values = {"temperature": 21.5}
for i in range(OPTIONS["rounds"]):
    if i % 8 == 0:
        gc.collect()
    before = gc.mem_alloc()
    start = time.ticks_us()
    app.append(values)
    us = time.ticks_diff(time.ticks_us(), start)
    print("RESULT", us, int(gc.mem_alloc() < before))
