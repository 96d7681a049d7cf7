"""`linkpost certs`: the root certificates here, on a board, and behind an endpoint."""
