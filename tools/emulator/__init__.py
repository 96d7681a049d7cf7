"""The platform on this machine: the vendor's page and PROTOCOL.md, over real TLS.

command -> server -> {connection, console} -> {platform, faults} -> {store, rules}. `rules` decides
and touches nothing, `store` is the only one that remembers, `connection` the only one that talks.
"""
