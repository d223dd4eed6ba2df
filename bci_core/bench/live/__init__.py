"""Live scenarios of the fault bench: real processes, real streams, and what is done to them."""
