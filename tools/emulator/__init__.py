"""The platform on this machine: the vendor's page and docs/protocol.md, over real TLS.

command -> server -> {api, page} -> admin -> connection -> {platform, faults} -> {store, rules}.
`rules` decides and touches nothing, `store` is the only one that remembers, `connection` the only
one that talks; `admin` is what the page and the API both call.

Where neither source says what the service does, this is what we chose:

- a method other than POST is HTTP 405, a path that is not served 404, a request that does not end
  in time 408, bytes that are not HTTP 4xx; each with an empty body and a close
- a body without a stated length is 10001; a chunked one is accepted
- a timestamp may be as far ahead as it may be old: 15 minutes
- a token of a disabled device is not recognised (20003), so that /auth can say 20000
- a token of the device that is voided by a newer one is not recognised either
- a known device's rate limit (40000) is checked before its parameters, token and topic
"""
