"""What the store adapters share: one multiplexed connection, key names, the embedded server."""

from nba.storage.connection import CLAIM, Connection, Script
from nba.storage.keys import Keys

__all__ = ["CLAIM", "Connection", "Keys", "Script"]
