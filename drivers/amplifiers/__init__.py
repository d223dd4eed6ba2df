"""Amplifier drivers, one module a device family."""
