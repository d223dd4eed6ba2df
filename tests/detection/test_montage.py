"""Channels made of recorded ones: the same however samples come, and refused by name."""

import numpy as np
import pytest

from bci_core.chunk import Chunk, StreamInfo
from bci_core.detection.band_power import BandPower, BandPowerSettings
from bci_core.detection.monitor_settings import MonitorSettings
from bci_core.detection.montage import montage_of, same_channel
from bci_core.detection.montage_settings import MontageSettings
from bci_core.detection.sensing import Sensing
from bci_core.errors import ConfigError

RATE_HZ = 200.0
INFO = StreamInfo("bench", RATE_HZ, ("A1", "A2", "A3", "B1", "Fz"), "bench-1")
BIPOLAR = MontageSettings(reference="bipolar")


def samples(n=4000, seed=0):
    """A hum common to all, and bursts of 20 Hz on A2 alone."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / RATE_HZ
    values = rng.normal(0.0, 2.0, (n, 5)) + 80.0 * np.sin(2 * np.pi * 21.0 * t)[:, np.newaxis]
    values[:, 1] += 30.0 * (t % 5 > 4) * np.sin(2 * np.pi * 20.0 * t)
    return values.astype(np.float32), t


def test_bipolar_derives_neighbouring_contacts_of_each_electrode():
    montage = montage_of(BIPOLAR, INFO)
    assert montage.info.channels == (*INFO.channels, "A1-A2", "A2-A3")
    values, _ = samples()
    wide = montage.widened(values)
    montage.derive(wide)
    assert np.array_equal(wide[:, :5], values)
    assert np.array_equal(wide[:, 5], values[:, 0] - values[:, 1])
    assert montage.sources((5, 6, 4)) == (0, 1, 2, 4)


def test_average_takes_the_mean_of_all_off():
    montage = montage_of(MontageSettings(reference="average"), INFO)
    values, _ = samples(50)
    wide = montage.widened(values)
    montage.derive(wide)
    assert montage.derived[-1] == "Fz-avg"
    np.testing.assert_allclose(wide[:, 5:].sum(axis=1), 0.0, atol=1e-3)
    assert montage.sources((5,)) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("reference", ["bipolar", "average"])
def test_any_cut_gives_the_same_detections(reference):
    montage = montage_of(MontageSettings(reference=reference), INFO)
    values, times_s = samples()
    values[1000:1003, 0] = np.nan
    channel = montage.derived[0 if reference == "bipolar" else 1]

    def run(cuts):
        asked = BandPowerSettings(channel=channel, band_hz=(15, 25), threshold_sd=1.0)
        made = BandPower(asked, montage.info, 0.0)
        sensing = Sensing(made, INFO, MonitorSettings(), montage=montage)
        assert sensing.compiled is None
        found = []
        for first, last in zip([0, *cuts], [*cuts, len(values)], strict=True):
            found += sensing.update(Chunk(values[first:last], times_s[first:last]))
        return found, made.state.tobytes()

    whole = run([])
    assert len(whole[0]) >= 1
    for seed in range(20):
        cuts = np.sort(np.random.default_rng(seed).choice(4000, 60, replace=False)).tolist()
        assert run(cuts) == whole


def test_the_monitor_watches_the_electrodes():
    montage = montage_of(BIPOLAR, INFO)
    values, times_s = samples()
    values[2000:2400, 1] = 7.0  # A2 is flat; A1 - A2 is not
    made = BandPower(BandPowerSettings(channel="A1-A2", band_hz=(15, 25)), montage.info, 0.0)
    sensing = Sensing(made, INFO, MonitorSettings(), montage=montage)
    sensing.update(Chunk(values, times_s))
    assert sensing.counts().flat > 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"derive": ["A1-Q2"]}, "'A1-Q2': there is no channel 'Q2'; there are A1, A2, A3, B1, Fz"),
        ({"derive": ["A1-9"]}, "'A1-9': there is no channel 'A9'; there are"),
        ({"derive": ["A1", "A1-A1"]}, "'A1' is no difference(.|\n)*less itself"),
    ],
)
def test_a_channel_that_is_not_there_is_named(settings, says):
    with pytest.raises(ConfigError, match=says):
        montage_of(MontageSettings(**settings), INFO)


def test_bipolar_needs_contacts():
    with pytest.raises(ConfigError, match="no two neighbouring channels"):
        montage_of(BIPOLAR, StreamInfo("scalp", 250.0, ("Fz", "Cz"), "scalp"))


def test_labels_of_one_difference_may_be_short():
    assert same_channel("A1-2", "A1-A2", INFO.channels)
    assert not same_channel("A1-2", "A2-A3", INFO.channels)
    assert montage_of(MontageSettings(derive=("A1-3",)), INFO).derived == ("A1-3",)
