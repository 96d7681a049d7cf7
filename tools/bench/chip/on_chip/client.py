# A Client after one publish.
from linkpost import Client, Config

client = Client(Config.load("config.json"))
client.publish("/a1B2c3D4e5F/sensor01/user/update", b'{"temperature":21.5}')
