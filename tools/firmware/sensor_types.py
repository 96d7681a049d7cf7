"""The types of sensors that a config may name.

A board has no such table: it looks for the file of that name, and in it for the class of that
`kind` (`sensors.building` of the firmware). A test holds the two together.
"""

# type: (file in `sensors`, class).
TYPES = {
    "aht20": ("aht20", "AHT20"),
    "analog": ("analog", "Analog"),
    "bme280": ("bme280", "BME280"),
    "dht11": ("dht", "DHT11"),
    "dht22": ("dht", "DHT22"),
    "ds18x20": ("ds18x20", "DS18X20"),
    "onchip": ("onchip", "OnChip"),
    "sht3x": ("sht3x", "SHT3x"),
    "simulated": ("simulated", "Simulated"),
    "system": ("system", "System"),
}

# `user.soil` is the class Sensor in the person's own /user/soil.py (`sensors/user.py`).
USER = "user."
USER_FILE = "user"
