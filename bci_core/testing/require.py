"""The assertion of the conformance checks."""


def require(holds: bool, otherwise: str) -> None:
    """Fail with a message. Not ``assert``, which ``python -O`` leaves out."""
    if not holds:
        raise AssertionError(otherwise)
