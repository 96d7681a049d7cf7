"""The `linkpost` command: the tools on the laptop around the firmware of the boards."""
