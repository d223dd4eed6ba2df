"""A night with spindles of known times, and the marks of them, made in a second."""

from pathlib import Path

import numpy as np
import pytest

RATE_HZ = 200.0
DURATION_S = 240.0


def spindle_onsets() -> np.ndarray:
    """Every 8 to 12 s, from 12 s on."""
    steps = np.random.default_rng(1).uniform(8.0, 12.0, 40)
    onsets = 4.0 + np.cumsum(steps)
    return onsets[onsets < DURATION_S - 3.0]


@pytest.fixture(scope="session")
def night(tmp_path_factory) -> tuple[Path, Path]:
    """Recording and marks: C3 has spindles of 8 to 25 uV in noise, C4 noise only."""
    folder = tmp_path_factory.mktemp("night")
    rng = np.random.default_rng(0)
    t = np.arange(round(DURATION_S * RATE_HZ)) / RATE_HZ
    samples = rng.normal(0.0, 8.0, (len(t), 2)).astype(np.float32)
    rows = ["onset,duration"]
    for onset in spindle_onsets():
        inside = (t >= onset) & (t < onset + 1.2)
        envelope = rng.uniform(8.0, 25.0) * np.sin(np.pi * (t[inside] - onset) / 1.2)
        samples[inside, 0] += envelope * np.sin(2 * np.pi * 13.0 * t[inside])
        rows.append(f"{onset:.4f},1.2")
    recording, marks = folder / "night.npz", folder / "night.csv"
    np.savez(recording, data=samples, fs=RATE_HZ, units="uV", ch=np.array(["C3", "C4"]))
    marks.write_text("\n".join(rows) + "\n")
    return recording, marks
