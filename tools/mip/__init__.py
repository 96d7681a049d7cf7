"""What `mpremote mip install` installs: made from the firmware."""
