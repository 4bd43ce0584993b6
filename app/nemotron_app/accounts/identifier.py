"""How are users, keys, clients and sessions named?"""

import secrets


def new_id(kind: str) -> str:
    """`key_…`: says what it names, and cannot be guessed."""
    return f"{kind}_{secrets.token_hex(10)}"


def new_secret() -> str:
    """256 bits that only their holder knows."""
    return secrets.token_urlsafe(32)
