"""Whether the loop takes the artefact of its own pulse for an event."""
