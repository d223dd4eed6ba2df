"""Scores of one detector on each of several channels by itself, as one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bci_core.detection.montage import same_channel
from bci_core.record.marks import Mark
from bci_core.scoring.score import Score

SUMMED = ("tp", "fp", "fn", "marks", "scored_s", "duplicates", "not_judged")
SUMMED_TOO = ("missed_in_vetoed_time", "missed_beside_another")
FIGURES = ("tp", "fp", "fn", "precision", "recall", "f1", "false_per_min")


def with_marks_of(
    channel: str, marks: Sequence[Mark] | None, recorded: Sequence[str]
) -> Sequence[Mark] | None:
    """Marks that name this channel, or none.

    Parameters
    ----------
    channel : str
        Of the recording, or derived: ``AHR3-AHR4`` is also the ``AHR3-4`` of a mark.
    marks : sequence of Mark or None
    recorded : sequence of str
        Labels in the recording.
    """
    if marks is None:
        return None
    return [m for m in marks if not m.channel or same_channel(m.channel, channel, recorded)]


def together(scores: Mapping[str, Score]) -> dict[str, Any]:
    """Counts of all channels added up, and figures of the sums, with the keys of one score.

    A minute of two channels is two minutes to be wrong in. ``each_channel`` has the counts
    of each.
    """
    each = {name: score.to_dict() for name, score in scores.items()}
    told = [*each.values()]
    whole: dict[str, Any] = dict(told[0])
    for key in (*SUMMED, *SUMMED_TOO):
        known = [one[key] for one in told if one[key] is not None]
        whole[key] = sum(known) if known else None
    tp, fp, fn, scored_s = (whole[key] for key in ("tp", "fp", "fn", "scored_s"))
    if tp is not None:
        whole["precision"] = tp / (tp + fp) if tp + fp else None
        whole["recall"] = tp / (tp + fn) if tp + fn else None
        whole["f1"] = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None
        whole["false_per_min"] = 60.0 * fp / scored_s if scored_s > 0.0 else None
    late_ms = [late for score in scores.values() for late in score.late_ms]
    quantiles = (0.1, 0.5, 0.9)
    values = np.quantile(late_ms, quantiles, method="inverted_cdf").tolist() if late_ms else None
    whole["latency_ms"] = dict(zip(("p10", "p50", "p90"), values or [None] * 3, strict=True))
    whole["channels"] = [*scores]
    whole["vetoed"] = dict(sum((Counter(one["vetoed"]) for one in told), Counter()))
    whole["samples"] = dict(sum((Counter(one["samples"]) for one in told), Counter()))
    for key in ("detections", "missed"):
        rows = (
            {**row, "channel": row["channel"] or name}
            for name, one in each.items()
            for row in one[key]
        )
        whole[key] = sorted(rows, key=lambda row: row.get("time_s", row.get("onset_s")))
    whole["each_channel"] = {name: {key: one[key] for key in FIGURES} for name, one in each.items()}
    return whole
