"""The real recordings beside the project, where there are any."""

from pathlib import Path

import numpy as np
import pytest

from bci_core.clock import VirtualClock
from bci_core.errors import RecordingError
from bci_core.record.recording import read_recording
from bci_core.testing.check_amplifier import check_amplifier
from drivers.amplifiers.recording import RecordingPlayer, RecordingSettings

# file, rate in Hz, samples, channels, and the magnitude in uV that values are found at
CONTINUOUS = [
    ("yasa_n2_15s", 200.0, 3000, 1, 188.4),
    ("yasa_n3_30s", 100.0, 3000, 1, 59.6),
    ("yasa_rest_eo_360s", 200.0, 72_000, 2, 144.0),
    ("mcsleep_30s", 200.0, 6000, 3, 106.5),
    ("osn_eeg_30s", 250.0, 7500, 1, 75.8),
    ("osn_ieeg_30s", 250.0, 7500, 1, 360.1),
    ("openbci_blink_jaw_alpha_90s", 250.0, 22_490, 8, 65_682.8),
    ("human_m1_pd_beta_10s", 1000.0, 10_000, 1, 991.8),
    ("rat_ca1_ec3_theta_60s", 1250.0, 75_000, 2, 3377.0),
    ("fedele_ieeg_hfo_5s", 2000.0, 10_000, 50, 1054.1),
]


@pytest.mark.parametrize(("name", "rate_hz", "n_samples", "n_channels", "peak_uv"), CONTINUOUS)
def test_continuous_recordings_are_read_in_microvolts(
    shared_data: Path, name: str, rate_hz: float, n_samples: int, n_channels: int, peak_uv: float
) -> None:
    recording = read_recording(shared_data / f"{name}.npz")
    assert recording.rate_hz == rate_hz
    assert recording.samples.shape == (n_samples, n_channels)
    assert len(recording.channels) == n_channels
    assert float(np.max(np.abs(recording.samples))) == pytest.approx(peak_uv, abs=0.1)


def test_labels_of_the_file_are_kept(shared_data: Path) -> None:
    rest = read_recording(shared_data / "yasa_rest_eo_360s.npz")
    assert rest.channels == ("F4-A1", "CZ-A2")
    assert len(read_recording(shared_data / "fedele_ieeg_hfo_5s.npz").channels) == 50


def test_counts_are_refused_until_their_size_is_given(shared_data: Path) -> None:
    path = shared_data / "rat_hpc_hc2_150s.npz"
    with pytest.raises(RecordingError, match="uv_per_count"):
        read_recording(path)
    recording = read_recording(path, uv_per_count=0.195)
    assert float(recording.samples.max()) == pytest.approx(2736 * 0.195)


def test_spike_times_are_no_continuous_recording(shared_data: Path) -> None:
    with pytest.raises(RecordingError, match="only continuous samples at a constant rate"):
        read_recording(shared_data / "nelpy_w-maze_spikes.npz")


@pytest.mark.parametrize("name", ["yasa_n3_30s", "rat_ca1_ec3_theta_60s", "fedele_ieeg_hfo_5s"])
def test_they_play_as_amplifiers(shared_data: Path, name: str) -> None:
    settings = RecordingSettings(file=str(shared_data / f"{name}.npz"))
    figures = check_amplifier(
        lambda clock: RecordingPlayer(settings, clock), 5.0, clock=VirtualClock(1e5)
    )
    assert figures.lost == 0
