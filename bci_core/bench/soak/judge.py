"""Whether something grows, drifts or was lost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bci_core.bench.floor import Floats
from bci_core.bench.soak.drift import Drift, drift
from bci_core.bench.soak.result import FAILED, OK, UNSURE, Check, SoakResult
from bci_core.bench.soak.story import QUANTITIES, Series, Story
from bci_core.report.latency import quantiles

DAY_H = 24.0
"""The longest session there is; growth is judged by what it comes to in one."""

SETTLING = 0.1
"""Share of the session left out at its start: buffers and caches fill once."""

MOST_GROWTH_KIB = 64.0 * 1024.0
"""In the longest session: five processes that grew like that would take a third of a gigabyte."""

MOST_SLOWER = 0.25
"""Of a latency at the start; a quarter of the response's budget of 0.5 ms is what other work on
the machine adds in a minute."""

MOST_READINGS = 720
MINUTE_S = 60.0


def judge_soak(story: Story, about: Mapping[str, Any]) -> SoakResult:
    """Fit, judge and sum up the course of a session."""
    settled_s = SETTLING * story.duration_s
    drifts: dict[str, dict[str, Drift]] = {}
    checks = [
        _ended(story),
        _none("samples lost", int(_last(story.lost)), f"of {story.samples}"),
        _none("disarmed", len(story.disarmed), "; ".join(why for _, why in story.disarmed[:5])),
        _none("triggers unaccounted for", story.unaccounted, f"of {story.triggers}"),
    ]
    for role, taken in story.processes.items():
        drifts[role] = {}
        for quantity in QUANTITIES:
            found = drift(*taken[quantity].since(settled_s))
            checks.append(_grows(role, quantity, found))
            if found is not None:
                drifts[role][quantity] = found
    for group, name, series, quantile in (
        ("latency", "p50_ms", story.latency_ms, 0.5),
        ("latency", "p99_ms", story.latency_ms, 0.99),
        ("speed", "cpu_ms", story.cpu_ms, 0.5),
    ):
        times_s, values = series.since(settled_s)
        if not len(values) or not np.any(values):  # in simulated time a command takes none
            continue
        found = drift(times_s, values, quantile)
        checks.append(_slower(f"{group} {name.removesuffix('_ms')}", found))
        if found is not None:
            drifts.setdefault(group, {})[name] = found
    counts = {
        "samples": story.samples,
        "lost": int(_last(story.lost)),
        "triggers": story.triggers,
        "outcomes": dict(story.outcomes),
        "refused": story.refused,
        "disarmed": len(story.disarmed),
        "unaccounted": story.unaccounted,
        "latency_ms": quantiles(story.latency_ms.since()[1]),
    }
    told = {"duration_s": story.duration_s, "settling_s": settled_s, "counts": counts}
    return SoakResult(
        about={**about, **told, "disarms": [list(each) for each in story.disarmed]},
        drifts=drifts,
        checks=checks,
        minutes=_minutes(story),
        readings={role: _thinned(taken) for role, taken in story.processes.items()},
    )


def _ended(story: Story) -> Check:
    status = str(story.ended.get("status", "never ended"))
    verdict = OK if status == "completed" else FAILED
    return Check("session", verdict, f"{status}: {story.ended.get('reason', 'the ledger stops')}")


def _none(name: str, found: int, told: str) -> Check:
    return Check(name, FAILED if found else OK, f"{found} {told}".rstrip())


@dataclass(frozen=True, slots=True)
class _Quantity:
    title: str
    unit: str
    scale: float
    most: float
    """Growth in `DAY_H` that is let pass, in the quantity's own unit."""


_QUANTITIES = {
    "rss_kib": _Quantity("memory", "MiB", 1.0 / 1024.0, MOST_GROWTH_KIB),
    "handles": _Quantity("file handles", "", 1.0, 1.0),
    "threads": _Quantity("threads", "", 1.0, 1.0),
}


def _grows(role: str, quantity: str, found: Drift | None) -> Check:
    """Grows when even the lower end of the interval comes to too much in the longest session."""
    about = _QUANTITIES[quantity]
    name = f"{role}: {about.title}"
    if found is None:
        return Check(name, UNSURE, "too few readings after settling; soak for longer")
    verdict = OK
    if found.low_per_hour * DAY_H > about.most:
        verdict = FAILED
    elif found.high_per_hour * DAY_H > about.most:
        verdict = UNSURE
    low, mean, high, first, last = (
        about.scale * value
        for value in (
            found.low_per_hour,
            found.per_hour,
            found.high_per_hour,
            found.first,
            found.last,
        )
    )
    digits = 1 if about.unit else 0
    return Check(
        name,
        verdict,
        f"{first:.{digits}f} to {last:.{digits}f} {about.unit}".rstrip()
        + f", {mean:+.3g} an hour (95 %: {low:+.3g} to {high:+.3g}), "
        f"limit {about.scale * about.most / DAY_H:.3g} {about.unit}".rstrip(),
    )


def _slower(name: str, found: Drift | None) -> Check:
    if found is None:
        return Check(name, UNSURE, "too few for each twelfth of the time; soak for longer")
    hours = found.span_s / 3600.0
    low, mean, high = (
        rate * hours / found.first
        for rate in (found.low_per_hour, found.per_hour, found.high_per_hour)
    )
    verdict = FAILED if low > MOST_SLOWER else OK if high <= MOST_SLOWER else UNSURE
    return Check(
        name,
        verdict,
        f"{found.first:.3f} to {found.last:.3f} ms, {100 * mean:+.0f} % over the session "
        f"(95 %: {100 * low:+.0f} to {100 * high:+.0f}), limit {100 * MOST_SLOWER:+.0f} %",
    )


def _last(series: Series) -> float:
    values = series.since()[1]
    return float(values[-1]) if len(values) else 0.0


def _minutes(story: Story) -> list[dict[str, Any]]:
    n = int(np.ceil(story.duration_s / MINUTE_S))
    latency_s, latency_ms = story.latency_ms.since(0.0)
    delivered_s, _ = story.delivered.since(0.0)
    lost_s, lost = story.lost.since(0.0)
    edges_s = MINUTE_S * np.arange(n + 1)
    by_time = np.argsort(latency_s)
    cuts = np.searchsorted(latency_s[by_time], edges_s)
    per_minute = np.histogram(delivered_s, edges_s)[0] if n else np.zeros(0)
    told = []
    for i in range(n):
        within = quantiles(latency_ms[by_time][cuts[i] : cuts[i + 1]])
        known = lost[lost_s <= edges_s[i + 1]]
        told.append(
            {
                "minute": i,
                "n": within["n"],
                "p50_ms": within["p50"],
                "p99_ms": within["p99"],
                "delivered": int(per_minute[i]),
                "lost": int(known[-1]) if len(known) else 0,
            }
        )
    return told


def _thinned(taken: Mapping[str, Series]) -> dict[str, list[float]]:
    """At most `MOST_READINGS`, evenly spread; the same moments for each quantity."""
    times_s = taken["rss_kib"].since(0.0)[0]
    keep = np.unique(np.linspace(0, len(times_s) - 1, MOST_READINGS).astype(int))
    keep = keep[: len(times_s)]
    told: dict[str, Floats] = {"t_s": times_s}
    told |= {quantity: series.since(0.0)[1] for quantity, series in taken.items()}
    return {name: values[keep].tolist() for name, values in told.items()}
