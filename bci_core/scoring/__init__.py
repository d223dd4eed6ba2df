"""How good a detector is: run it over a recording, compare with marks or an acausal reference.

settings -> detector -> `run_detector` -> `match` with a `Truth` -> `Score`
"""
