"""Messages, tokens and models: which variant answers a request, and how."""
