"""A simulated brain that answers to stimulation: ``docs/simulated-brain.md``."""
