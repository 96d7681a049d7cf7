"""`linkpost deploy`: the firmware onto a board, and its first report awaited.

command -> {plan, progress, watch}; plan is pure, watch -> boot judges the first lines of a boot.
"""
