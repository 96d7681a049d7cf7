# A report by MicroPython's own requests, as people write it: not verified, a connection each.
import time

import requests

url = "https://%s/topic%s" % (OPTIONS["endpoint"], OPTIONS["topic"])
headers = {"Content-Type": "application/octet-stream", "password": OPTIONS["token"]}
for _ in range(OPTIONS["rounds"]):
    start = time.ticks_us()
    reply = requests.post(url, data=OPTIONS["payload"], headers=headers)
    code = reply.json()["code"]
    reply.close()
    us = time.ticks_diff(time.ticks_us(), start)
    if code:
        raise ValueError(code)
    print("RESULT", us)
