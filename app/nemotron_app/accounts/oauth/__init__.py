"""The authorization server: Authlib's, with the glue that lets it live in an ASGI program."""
