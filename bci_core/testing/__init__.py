"""Conformance checks for drivers and detectors: plain functions, no test framework."""
