"""Measurements that a command prints: latency, start-up, memory."""
