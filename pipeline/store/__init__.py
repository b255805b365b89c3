"""What lives in Redis: every key name and every script is made here."""
