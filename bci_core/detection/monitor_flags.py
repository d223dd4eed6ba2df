"""The bits the sample monitor gives each sample, and their names."""

from bci_core.events import Veto

FLAG_GAP = 1
FLAG_NOT_FINITE = 2
FLAG_FLAT = 4
FLAG_RAILED = 8
FLAG_SETTLING = 16
FLAG_BLANK = 32
FLAG_LINE_NOISE = 64
FLAG_LEAD_OFF = 128

_GRAVEST_FIRST = (
    (FLAG_GAP, Veto.GAP),
    (FLAG_NOT_FINITE, Veto.NOT_FINITE),
    (FLAG_RAILED, Veto.RAILED),
    (FLAG_FLAT, Veto.FLAT),
    (FLAG_LEAD_OFF, Veto.LEAD_OFF),
    (FLAG_SETTLING, Veto.SETTLING),
    (FLAG_LINE_NOISE, Veto.LINE_NOISE),
    (FLAG_BLANK, Veto.BLANK),
)


def veto_of(flags: int) -> str:
    """The gravest veto among flag bits, or ""."""
    if not flags:
        return ""
    return str(next(veto for bit, veto in _GRAVEST_FIRST if flags & bit))
