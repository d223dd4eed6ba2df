"""Conformance checks for drivers and detectors: plain functions, no test framework.

Each takes a callable that makes a fresh part, and raises AssertionError, naming
the rule, when the part does not keep its contract.
"""

from bci_core.testing.check_amplifier import check_amplifier
from bci_core.testing.check_detector import check_detector
from bci_core.testing.check_protocol import check_protocol
from bci_core.testing.check_stimulator import check_stimulator

__all__ = ["check_amplifier", "check_detector", "check_protocol", "check_stimulator"]
