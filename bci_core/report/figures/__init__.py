"""The plots of the report, each from what a session left behind."""
