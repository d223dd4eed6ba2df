"""Phase on real recordings, against a zero-phase FIR filter with Hilbert's transform.

Announced targets of eight phases, so that the whole cycle is seen, with an amplitude
gate at half the median of the reference. The bounds are sanity bands.
"""

import numpy as np
import pytest
from scipy import signal

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.phase import Phase, PhaseSettings

TARGETS_DEG = np.arange(0.0, 360.0, 45.0)


def reference(samples, rate_hz, band_hz):
    taps = signal.firwin(int(3 * rate_hz / band_hz[0]) | 1, band_hz, pass_zero=False, fs=rate_hz)
    return signal.hilbert(signal.fftconvolve(samples - samples.mean(), taps, mode="same"))


@pytest.mark.parametrize(
    ("name", "row", "band_hz", "length", "bias_deg"),
    [
        ("rat_ca1_ec3_theta_60s", 0, (5.0, 11.0), 0.92, 5.0),
        ("rat_hpc_hc2_150s", 0, (4.0, 10.0), 0.90, 5.0),
        ("yasa_rest_eo_360s", 1, (8.0, 13.0), 0.80, 12.0),
        ("human_m1_pd_beta_10s", 0, (13.0, 30.0), 0.80, 15.0),
        ("yasa_n3_30s", 0, (0.5, 2.0), 0.65, 20.0),
        ("mcsleep_30s", 0, (0.5, 2.0), 0.65, 20.0),
    ],
)
@pytest.mark.parametrize("lead_s", [0.0, 0.005])
def test_announced_targets(recording, name, row, band_hz, length, bias_deg, lead_s):
    samples, rate_hz = recording(name, row)
    truth = reference(samples, rate_hz, band_hz)
    turned = np.unwrap(np.angle(truth))
    times_s = np.arange(len(samples)) / rate_hz
    edge_s = 3.0 / band_hz[0]
    gate = np.median(abs(truth)) / 2.0
    info = StreamInfo(name, rate_hz, ("a",), name)
    chunk = Chunk(samples.astype(np.float32)[:, np.newaxis], times_s)
    errors = []
    for target_deg in TARGETS_DEG:
        asked = PhaseSettings(
            channel="a", band_hz=band_hz, target_deg=target_deg, min_amplitude_uv=gate
        )
        found = Phase(asked, info, lead_s).update(chunk)
        targets_s = np.array([d.target_s for d in found])
        targets_s = targets_s[(targets_s > edge_s) & (targets_s < times_s[-1] - edge_s)]
        errors.extend(np.interp(targets_s, times_s, turned) - np.radians(target_deg))
    mean = np.exp(1j * np.array(errors)).mean()
    n_cycles = np.diff(np.interp([edge_s, times_s[-1] - edge_s], times_s, turned)) / (2 * np.pi)
    assert len(errors) > 0.5 * len(TARGETS_DEG) * n_cycles
    assert abs(mean) > length
    assert abs(np.degrees(np.angle(mean))) < bias_deg


def test_alpha_under_mains_hum_and_a_large_offset(recording):
    samples, rate_hz = recording("openbci_blink_jaw_alpha_90s", 7)
    truth = reference(samples, rate_hz, (8.0, 13.0))
    turned = np.unwrap(np.angle(truth))
    times_s = np.arange(len(samples)) / rate_hz
    chunk = Chunk(samples.astype(np.float32)[:, np.newaxis], times_s)
    info = StreamInfo("openbci", rate_hz, ("8",), "openbci")

    def length(mains_hz):
        asked = PhaseSettings(
            channel="8", band_hz=(8, 13), target_deg=0, min_amplitude_uv=10, mains_hz=mains_hz
        )
        found = Phase(asked, info, 0.0).update(chunk)
        targets_s = np.array([d.target_s for d in found if 42.0 < d.sample_s < 78.0])
        assert len(targets_s) > 100
        return abs(np.exp(1j * np.interp(targets_s, times_s, turned)).mean())

    assert length(60.0) > 0.8
    assert length(None) < 0.7
