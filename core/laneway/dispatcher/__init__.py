"""The dispatcher: the farm in memory, every acknowledged change in SQLite, and an HTTP API around both."""
