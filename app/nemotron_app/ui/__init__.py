"""The page: an ordinary client of the API, in a browser."""
