"""The fault bench: scenarios that break a session in known ways, and a judge of what came of it."""
