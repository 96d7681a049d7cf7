"""`linkpost send`: one message, or a file of saved readings, by the firmware's own client."""
