"""The platform from this computer: the device list, and the firmware's own client."""
