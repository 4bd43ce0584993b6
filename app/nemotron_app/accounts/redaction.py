"""How is a key kept out of the log, wherever a library may have put it?"""

import logging

from nemotron_app.accounts.key_text import PREFIX, redact


class RedactKeys(logging.Filter):
    """A filter for log handlers: what looks like a key is cut, in the message and in its arguments."""

    def filter(self, record: logging.LogRecord) -> bool:
        if PREFIX in (text := record.getMessage()):
            record.msg, record.args = redact(text), None
        return True
