"""`linkpost status`: what a board says of itself, without a look at its log."""
