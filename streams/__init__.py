"""How samples, events and commands move between processes. Holds nothing itself."""
