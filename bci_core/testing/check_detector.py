"""Does a detector keep its contract? Plain functions, for any test framework or none.

::

    from bci_core.testing.check_detector import check_detector

    check_detector(lambda: MyDetector(settings, info, lead_s=0.01), info)

Each of `RULES` is a sentence of `bci_core.contracts.Detector` or of the laws
behind it. They use nothing but `update`, so a detector in plain Python is held
to the same as one with a kernel; of a kernel, the state is compared too.

`STREAM_RULES` try it on other streams: one channel, 1024, a rate at which its band
touches Nyquist's. They need to be told how to make a detector for a stream::

    check_detector(make, info, make_for=lambda info: MyDetector(settings_for(info), info, 0.01))
"""

from typing import Final, Protocol

import numpy as np
from scipy.signal import chirp

from bci_core.chunk import Chunk, StreamInfo
from bci_core.testing import detector_rules as rules
from bci_core.testing.detector_input_rules import INPUT_RULES, STREAM_RULES, MakeFor
from bci_core.testing.detector_rules import Make
from bci_core.testing.verdicts import require_all, verdict


class Rule(Protocol):
    """A function; what it is called names the rule."""

    __name__: str

    def __call__(self, make: Make, chunk: Chunk) -> None: ...


RULES: Final[tuple[Rule, ...]] = (
    rules.finds_something,
    rules.settings_are_strict,
    rules.channels_are_columns,
    rules.other_channels_do_not_matter,
    rules.chunking_changes_nothing,
    rules.the_future_does_not_matter,
    rules.instances_share_nothing,
    rules.indices_count_samples,
    rules.detections_are_sound,
    rules.the_origin_of_time_does_not_matter,
    rules.samples_are_left_alone,
    rules.bad_samples_are_survived,
    *INPUT_RULES,
)
"""Every rule for one stream. Each can be called on its own, or parametrised over."""


def check_detector(
    make: Make, info: StreamInfo, chunk: Chunk | None = None, make_for: MakeFor | None = None
) -> None:
    """Check every rule, and report all that are broken.

    Parameters
    ----------
    make : callable
        Returns a fresh detector for `info`. Called at least once a rule.
    info : StreamInfo
    chunk : Chunk, optional
        Samples in which it finds something, the more often the better. Without it
        `trial_chunk` is used. Its length sets the scale of time: a detector has to be
        over a fault within a tenth of it.
    make_for : callable, optional
        Returns a fresh detector with settings that suit the stream it is given. With it
        `STREAM_RULES` are checked too.

    Raises
    ------
    AssertionError
        Names each broken rule, and what the detector did instead.
    """
    if chunk is None:
        chunk = trial_chunk(info)
    found = [verdict(rule, make, _fresh(chunk)) for rule in RULES]
    if make_for is not None:
        found += [verdict(rule, make_for, info, _fresh(chunk)) for rule in STREAM_RULES]
    require_all("detector", found)


def trial_chunk(info: StreamInfo, seed: int = 0) -> Chunk:
    """Samples in which most detectors find something.

    On every channel: 6 s of noise (5 uV) on an offset, then a tone of 200 uV that
    sweeps from 0.5 Hz up to 0.45 times the rate, and so through every band. 40 s
    long, or 60 000 samples where that is less.
    """
    n = min(round(40.0 * info.rate_hz), 60_000)
    times_s = np.arange(n) / info.rate_hz
    quiet = round(0.15 * n)
    rng = np.random.default_rng(seed)
    samples = rng.normal(0.0, 5.0, (n, len(info.channels)))
    samples += np.linspace(10.0, 1000.0, len(info.channels))
    sweep_s = times_s[: n - quiet]
    tone = chirp(sweep_s, 0.5, sweep_s[-1], 0.45 * info.rate_hz, method="logarithmic")
    samples[quiet:] += 200.0 * tone[:, np.newaxis]
    return Chunk(samples.astype(np.float32), times_s)


def _fresh(chunk: Chunk) -> Chunk:
    """A copy, so that what one rule's detector writes into it no other sees."""
    return Chunk(chunk.samples.copy(), chunk.times_s.copy())
