"""The one band a detector listens to, where there is one."""

from typing import Any


def band_of(settings: Any) -> tuple[float, float] | None:
    """Edges in Hz; None for a detector that listens to no band, or to several.

    Parameters
    ----------
    settings : pydantic model
        Its ``band_hz``, or the band of its ``species`` where that is not set.
    """
    band_hz = getattr(settings, "band_hz", None)
    if band_hz is None and hasattr(settings, "species"):
        from bci_core.detection.ripple import SPECIES_BAND_HZ

        return SPECIES_BAND_HZ[settings.species]
    if band_hz is None or len(band_hz) != 2 or not all(isinstance(x, float) for x in band_hz):
        return None
    return float(band_hz[0]), float(band_hz[1])
