"""Where may a browser be sent after it signed in?"""

from urllib.parse import urlsplit


def safe_path(text: str | None) -> str:
    """`text` if it is a path on this server, else the front page."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\")):
        return "/"
    # Browsers drop control characters and read backslashes as slashes, which could make a host of a path.
    if "\\" in text or any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in text):
        return "/"
    parts = urlsplit(text)
    return text if not parts.scheme and not parts.netloc else "/"
