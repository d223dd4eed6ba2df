"""One module a file format, each with ``read(path, options) -> RawRecording``."""
