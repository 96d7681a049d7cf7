"""`linkpost provision`: a board's config.json, asked for and written; `answers` checks each."""
