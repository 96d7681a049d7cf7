# The Client alone: built, one report in steady state, 128 KB streamed, and hostile replies.
import sys

sys.path[:] = ["/board/in_memory"]
from start import Silent, allocated, mark, platform, port, show

# step
mark("base")
# step
import gc
import linkpost

# step
from linkpost import Client, Config, LinkpostError

the_port = port()
config = Config.load("config.json")
# step
client = Client(config, port=the_port, log=Silent())
# step
show("Client built")
PAYLOAD = b'{"stream":"9f2c41aa","seq":17,"time":1524448722000,"temperature":21.5}'
publish = client.publish
topic = config.topic
publish(topic, PAYLOAD)
# step
mark("steady")
gc.disable()
allocated("one small publish, kept connection", lambda: publish(topic, PAYLOAD), 10)


# step
def fresh():
    client.close()
    publish(topic, PAYLOAD)


allocated("one small publish, fresh connection", fresh, 10)
gc.enable()
# step
for _ in range(1000):
    publish(topic, PAYLOAD)
# step
show("growth over 1,000 publishes", "steady")


class Zeros:
    left = 131072

    def __len__(self):
        return 131072

    def seek(self, at):
        self.left = 131072

    def readinto(self, buffer):
        count = min(len(buffer), self.left)
        self.left -= count
        return count


zeros = Zeros()
# step
gc.disable()
allocated("128 KB streamed, the first time", lambda: publish(topic, zeros))
allocated("128 KB streamed, again", lambda: publish(topic, zeros))
gc.enable()
# step
show("128 KB streamed, kept", "steady")

import tls

HOSTILE = [
    b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"y" * 200) * 1000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n" + b"z" * 70000,
    b"HTTP/1.1 200 " + b"k" * 100000,
    tls.reply_of(b"[" * 1000),
    tls.reply_of(b'{"code":0,"message":"' + b"m" * 1500 + b'"}'),
    tls.reply_of(b'{"code":0,"info":{"messageId":' + b"1" * 1500 + b"}}"),
]
good = platform.reply
# step
mark("streamed")


def hostile(i):
    platform.reply = HOSTILE[i]
    gc.disable()
    try:
        allocated("hostile reply %d" % i, one)
    finally:
        gc.enable()
        platform.reply = good


def one():
    try:
        publish(topic, PAYLOAD)
    except LinkpostError:
        pass


# Once before: the names of the modules that refuse them stay, as the names of all do. A good one
# ends both rounds, with its connection kept.
one()
# step
hostile(0)
# step
hostile(1)
# step
hostile(2)
# step
hostile(3)
# step
hostile(4)
# step
hostile(5)
# step
publish(topic, PAYLOAD)
# step
mark("refused")
# step
hostile(0)
# step
hostile(1)
# step
hostile(2)
# step
hostile(3)
# step
hostile(4)
# step
hostile(5)
# step
publish(topic, PAYLOAD)
# step
show("after hostile replies", "refused")
