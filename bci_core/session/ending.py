"""How a session ended."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """How a session ended.

    Attributes
    ----------
    status : str
        ``completed``, ``stopped`` or ``failed``.
    reason : str
        For people.
    exit_status : int
        0 completed, 1 failed, 128 + n when stopped by signal n.
    """

    status: str
    reason: str
    exit_status: int
