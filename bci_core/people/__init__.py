"""Who may decide what: people, their keys, what they have signed, and approvals of limits."""
