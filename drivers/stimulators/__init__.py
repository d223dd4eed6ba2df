"""Stimulator drivers, one module a device family."""
