"""Drivers for amplifiers and stimulators, found by entry point. Holds nothing itself."""
