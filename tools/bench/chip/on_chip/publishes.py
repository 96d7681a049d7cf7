# Publishes of a Client alone, each on a connection of its own.
from linkpost import Client, Config

client = Client(Config.load("config.json"))
for _ in range(OPTIONS["rounds"]):
    client.publish("/a1B2c3D4e5F/sensor01/user/update", b'{"temperature":21.5}')
    client.close()
print("RESULT", OPTIONS["rounds"])
