# A bare verified handshake: nothing of linkpost is imported, one collection before each.
import gc
import os
import socket
import time

import tls

gc.threshold(-1)
address = socket.getaddrinfo(OPTIONS["host"], OPTIONS["port"])[0][-1]
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
for name in os.listdir("/certs"):
    with open("/certs/" + name, "rb") as file:
        context.load_verify_locations(file.read())
for _ in range(OPTIONS["rounds"]):
    gc.collect()
    raw = socket.socket()
    start = time.ticks_us()
    raw.connect(address)
    stream = context.wrap_socket(raw, server_hostname=OPTIONS["host"])
    us = time.ticks_diff(time.ticks_us(), start)
    stream.close()
    raw.close()
    print("RESULT", us)
