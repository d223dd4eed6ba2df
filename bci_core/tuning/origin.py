"""Which files, by their content, a result was made from."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Origin:
    """What a sweep was made from.

    Attributes
    ----------
    recording, marks : str
        Names of the files, without their folders, which may name a person.
    recording_sha256, marks_sha256 : str
    n_marks : int
    duration_s, rate_hz : float
        Of the recording.
    made : datetime
    version : str
        Of this package.
    """

    recording: str
    recording_sha256: str
    marks: str
    marks_sha256: str
    n_marks: int
    duration_s: float
    rate_hz: float
    made: datetime
    version: str


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
