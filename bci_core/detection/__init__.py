"""Finding neural events in samples: the monitor, the kernels, one module a detector."""
