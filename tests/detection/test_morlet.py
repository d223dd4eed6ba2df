import numpy as np
import pytest
from scipy import signal

from bci_core.chunk import StreamInfo
from bci_core.detection import morlet
from bci_core.detection.spectral_features import SpectralFeatures

RATE_HZ = 500.0
CYCLES = 5.0
FREQUENCIES_HZ = (3.0, 8.0, 30.0, 100.0, 180.0)


def pole(frequency_hz):
    decay = 2.0 * 2.0 * np.pi * frequency_hz / CYCLES  # sqrt(4) over the standard deviation
    return np.exp((-decay + 2j * np.pi * frequency_hz) / RATE_HZ)


def twin(x, frequency_hz, averaging_s=0.0):
    """Power of one wavelet on one channel, by scipy."""
    p = pole(frequency_hz)
    y = np.diff(x, prepend=x[0]).astype(complex)
    for _ in range(4):
        y = signal.lfilter([1.0], [1.0, -p], y)
    turn = np.exp(-2j * np.pi * frequency_hz / RATE_HZ)
    power = np.abs(2.0 * y / ((1 - turn) / (1 - p * turn) ** 4)) ** 2
    if averaging_s > 0.0:
        keep = np.exp(-1.0 / (averaging_s * RATE_HZ))
        power = signal.lfilter([1.0 - keep], [1.0, -keep], power)
    return power


def acausal(x, frequency_hz):
    """Power by a Morlet wavelet that sees the future."""
    sd_s = CYCLES / (2.0 * np.pi * frequency_hz)
    t = np.arange(-round(5 * sd_s * RATE_HZ), round(5 * sd_s * RATE_HZ) + 1) / RATE_HZ
    gauss = np.exp(-((t / sd_s) ** 2) / 2.0)
    wavelet = gauss * np.exp(2j * np.pi * frequency_hz * t) * 2.0 / gauss.sum()
    return np.abs(signal.fftconvolve(x, wavelet, mode="same")) ** 2


def powers(samples, averaging_s=0.0, frequencies_hz=FREQUENCIES_HZ):
    """(n_samples, n_frequencies, n_channels), by the kernel."""
    n_channels = samples.shape[1]
    bank = morlet.wavelets(frequencies_hz, CYCLES, averaging_s, range(n_channels), RATE_HZ)
    state = np.zeros(morlet.state_size(len(frequencies_hz), n_channels))
    out = np.zeros((len(samples), len(frequencies_hz) * n_channels))
    for row, sample in zip(out, samples.astype(np.float32), strict=True):
        morlet.advance(bank, state, sample, True)
        morlet.log_powers(state, row)
    return 10.0 ** out.reshape(len(samples), len(frequencies_hz), n_channels)


def pink(seconds, seed=0, spread_uv=20.0):
    n = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=n))
    spectrum[1:] /= np.sqrt(np.fft.rfftfreq(n, 1 / RATE_HZ)[1:])
    spectrum[0] = 0.0
    x = np.fft.irfft(spectrum, n)
    return x * spread_uv / x.std()


@pytest.mark.parametrize("averaging_s", [0.0, 0.5])
@pytest.mark.parametrize("n_channels", [1, 3, 17])
def test_agrees_with_its_twin(averaging_s, n_channels):
    samples = np.stack([1e4 * c + pink(4.0, seed=c) for c in range(n_channels)], axis=1)
    got = powers(samples, averaging_s)
    for c in (0, n_channels - 1):
        x = samples[:, c].astype(np.float32).astype(float)
        for f, frequency_hz in enumerate(FREQUENCIES_HZ):
            expected = np.maximum(twin(x, frequency_hz, averaging_s), 1e-6)
            np.testing.assert_allclose(got[:, f, c], expected, rtol=1e-7)


@pytest.mark.parametrize("frequency_hz", FREQUENCIES_HZ)
def test_a_tone_shows_its_squared_peak_amplitude(frequency_hz):
    t = np.arange(round(4 * RATE_HZ)) / RATE_HZ
    tone = 30.0 * np.sin(2 * np.pi * frequency_hz * t)
    power = powers(tone[:, np.newaxis], averaging_s=0.2, frequencies_hz=(frequency_hz,))
    assert power[-1, 0, 0] == pytest.approx(900.0, rel=0.02)


@pytest.mark.parametrize("frequency_hz", FREQUENCIES_HZ)
def test_the_delay_is_as_stated(frequency_hz):
    sd_s = 10.0 * CYCLES / (2 * np.pi * frequency_hz)
    t = np.arange(round(12 * sd_s * RATE_HZ)) / RATE_HZ
    swell = np.exp(-(((t - 6 * sd_s) / sd_s) ** 2) / 2) * np.sin(2 * np.pi * frequency_hz * t)
    power = twin(swell, frequency_hz)
    (delay_s,) = morlet.delays_s((frequency_hz,), CYCLES, RATE_HZ)
    late_s = (t * power).sum() / power.sum() - 6 * sd_s
    assert delay_s == pytest.approx(late_s, rel=0.05)
    if frequency_hz < RATE_HZ / 10:
        assert delay_s * frequency_hz == pytest.approx(1.5, abs=0.1)  # cycles


@pytest.mark.parametrize("frequency_hz", FREQUENCIES_HZ)
def test_it_is_a_morlet_wavelet_that_comes_late(frequency_hz):
    x = pink(60.0)
    (delay_s,) = morlet.delays_s((frequency_hz,), CYCLES, RATE_HZ)
    n, inner = np.arange(len(x)), slice(2000, -2000)
    online, offline = np.sqrt(twin(x, frequency_hz)), np.sqrt(acausal(x, frequency_hz))
    in_time = np.interp(n + delay_s * RATE_HZ, n, online)
    assert np.corrcoef(in_time[inner], offline[inner])[0, 1] > 0.9
    assert 0.8 < (online[inner] ** 2).mean() / (offline[inner] ** 2).mean() < 1.25


def test_an_offset_and_its_first_sample_leave_nothing():
    got = powers(np.full((200, 2), 61_379.0))
    assert (got == 1e-6).all()


def test_silence_does_not_end_in_denormal_numbers():
    state = np.zeros(morlet.state_size(1, 1))
    bank = morlet.wavelets((100.0,), CYCLES, 0.0, (0,), RATE_HZ)
    morlet.advance(bank, state, np.array([0.0], dtype=np.float32), True)
    morlet.advance(bank, state, np.array([50.0], dtype=np.float32), True)
    for _ in range(20_000):
        morlet.advance(bank, state, np.array([50.0], dtype=np.float32), True)
    filters = np.abs(state[3:-1])
    assert filters.min() > np.finfo(float).tiny
    assert filters.max() < 1e-20


def test_what_is_not_averaged_leaves_the_power_as_it_was():
    bank = morlet.wavelets((8.0,), CYCLES, 0.5, (0,), RATE_HZ)
    state = np.zeros(morlet.state_size(1, 1))
    for value in pink(2.0).astype(np.float32):
        morlet.advance(bank, state, np.array([value]), True)
    before = state[-1]
    for value in pink(1.0, seed=1, spread_uv=1e4).astype(np.float32):
        morlet.advance(bank, state, np.array([value]), False)
    assert state[-1] == before


def test_frequencies_have_to_fit_the_rate():
    info = StreamInfo("bench", RATE_HZ, ("a",), "bench-1")
    assert morlet.frequency_problems((3.0, 249.0), info) == []
    wrong = morlet.frequency_problems((-1.0, 250.0, 8.0, 8.0), info)
    assert [p.where for p in wrong] == ["frequencies_hz"] * 3
    assert "below 250 Hz" in str(wrong[0])


def test_the_default_frequencies_are_those_of_the_paper():
    asked = SpectralFeatures(channels=("a",)).frequencies_hz
    assert (asked[0], asked[-1], len(asked)) == (3.0, 180.0, 8)
    np.testing.assert_allclose(np.diff(np.log(asked)), np.log(60.0) / 7, rtol=0.01)
