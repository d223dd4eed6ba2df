"""A simulated brain that answers to stimulation, as an amplifier. See ``docs/simulated-brain.md``."""
