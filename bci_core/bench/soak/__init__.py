"""What changes in a session that lasts: memory, handles, latency, losses."""
