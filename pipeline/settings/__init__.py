"""Settings and `connections.toml`: read, judged, and spoken of by line."""
