"""What the server knows of a browser: its session, its visitor, and whether a request is its own page's."""
