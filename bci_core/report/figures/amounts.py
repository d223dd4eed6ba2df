"""What added up over the session."""

import numpy as np
from bokeh.models import Range1d

from bci_core.events import Outcome
from bci_core.report.evidence import Evidence
from bci_core.report.figures.style import DELIVERED, INK, Figure, plot
from bci_core.report.trace import column


def charge(evidence: Evidence) -> Figure | None:
    """Charge delivered so far: the sum over pulses of the charge per phase."""
    delivered = evidence.trace.with_outcome(Outcome.DELIVERED, Outcome.ABORTED)
    onsets_s, charges_uc = column(delivered, "onset_s"), column(delivered, "charge_uc")
    known = np.isfinite(onsets_s) & np.isfinite(charges_uc)
    if not np.any(known):
        return None
    order = np.argsort(onsets_s[known])
    t = onsets_s[known][order] - evidence.trace.zero_s
    made = plot(height=220, x_axis_label="seconds since armed", y_axis_label="charge delivered, µC")
    total_uc = np.cumsum(charges_uc[known][order])
    made.step([0.0, *t], [0.0, *total_uc], mode="after", color=DELIVERED, line_width=2)
    made.y_range.start = 0
    return made


def memory(evidence: Evidence) -> Figure | None:
    """Resident memory of the loop's process."""
    rows = evidence.trace.memory
    if len(rows) < 2:
        return None
    t = column(rows, "lsl_s") - evidence.trace.zero_s
    rss_mib = column(rows, "rss_kib") / 1024.0
    made = plot(height=220, x_axis_label="seconds since armed", y_axis_label="loop process, MiB")
    made.line(t, rss_mib, color=INK, line_width=2)
    middle = float(np.nanmean(rss_mib))
    reach = max(1.0, 1.5 * float(np.nanmax(np.abs(rss_mib - middle))))
    made.y_range = Range1d(start=middle - reach, end=middle + reach)
    return made
