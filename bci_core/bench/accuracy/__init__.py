"""Detectors measured on truth: real recordings, simulated events, offline references."""
