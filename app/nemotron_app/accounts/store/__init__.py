"""Where accounts are kept: tables, their migrations, and one class for each thing that is stored."""

from nemotron_app.accounts.store.database import Database
from nemotron_app.accounts.store.moment import Clock, utc_now

__all__ = ["Clock", "Database", "utc_now"]
