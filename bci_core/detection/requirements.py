"""What every detector asks of the stream it is put on. Each check gives its mistakes."""

import math

from bci_core.chunk import StreamInfo
from bci_core.errors import Problem


def channel_problems(channel: str, info: StreamInfo, where: str = "channel") -> list[Problem]:
    """The channel is one of the stream's. `where` is the key that names it."""
    if channel in info.channels:
        return []
    there = ", ".join(info.channels)
    return [Problem(where, f"no channel {channel!r} in {info.name!r}; it has: {there}")]


def band_problems(
    band_hz: tuple[float, float], info: StreamInfo, where: str = "band_hz"
) -> list[Problem]:
    """The band is the right way up, above 0 Hz and below the Nyquist frequency.

    `where` is the key that names it.
    """
    low_hz, high_hz = band_hz
    nyquist_hz = info.rate_hz / 2.0
    problems = []
    if low_hz <= 0.0:
        problems.append(f"starts at {low_hz:g} Hz; it must start above 0 Hz")
    if low_hz >= high_hz:
        problems.append(
            f"goes from {low_hz:g} Hz to {high_hz:g} Hz; the lower edge comes first, "
            "and is below the upper"
        )
    if max(band_hz) >= nyquist_hz:
        problems.append(
            f"reaches {max(band_hz):g} Hz; it must end below {nyquist_hz:g} Hz, half the "
            f"sampling rate of {info.rate_hz:g} Hz"
        )
    return [Problem(where, problem) for problem in problems]


def lead_problems(lead_s: float) -> list[Problem]:
    """The lead is a time: finite and not negative."""
    if math.isfinite(lead_s) and lead_s >= 0.0:
        return []
    return [Problem("lead_s", f"is {lead_s:g} s; it must be 0 s or more, and finite")]
