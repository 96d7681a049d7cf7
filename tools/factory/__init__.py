"""`linkpost factory`: one board after another becomes the next device of a list.

command -> bench -> {writers, ledger, register, boot, view}.
"""
