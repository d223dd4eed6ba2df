"""Who may decide what: people, their keys, and what they have signed."""
