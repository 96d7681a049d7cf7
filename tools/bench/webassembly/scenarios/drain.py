# 100 waiting readings, to a peer that closes after each reply, in batches of 4 KB.
import sys

sys.path[:] = ["/board/in_memory"]
from start import Silent, platform, port

# step
import json
from linkpost import App, Config
import tls

the_port = port()
with open("config.json") as file:
    settings = json.load(file)
settings["outbox"] = {"batch_bytes": 4096}
app = App(Config(settings), port=the_port, log=Silent())
for _ in range(100):
    app.append({"temperature": 21.5, "humidity": 40})
platform.reply = tls.reply_of(
    b'{"code":0,"message":"success","info":{"messageId":1}}', closes=True
)
platform.auth_reply = platform.auth_reply.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
# step
app.drain()
print(
    # Less the one that authenticates.
    json.dumps(
        {"what": "handshakes to drain 100, closed each time", "count": platform.handshakes - 1}
    )
)
