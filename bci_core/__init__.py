"""Closed-loop brain–computer interface middleware: vocabulary, contracts, loop and safety."""

__version__ = "0.1.0"
