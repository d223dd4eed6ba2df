"""The report for people: one file that needs nothing else, and no network."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from bci_core.report.achieved_phase import achieved_phase
from bci_core.report.audit_pictures import audit_pictures
from bci_core.report.evidence import Evidence, SessionFiles, read_evidence
from bci_core.report.figures import amounts, events, latency, phase, raster
from bci_core.report.latency import DEVICE, ONSET_ERROR, RESPONSE, STAGES
from bci_core.report.summary import summary_of, write_text
from bci_core.report.template import bokeh_scripts, embedded, environment, resource, words
from bci_core.report.trace import Trace

_MOST_EVENTS = 200
_TONES = {"completed": "good", "stopped": "warn"}


def write_report(
    files: SessionFiles,
    summary: Mapping[str, Any] | None = None,
    evidence: Evidence | None = None,
) -> None:
    """Write ``report.html``.

    Parameters
    ----------
    files : SessionFiles
    summary : mapping or None
        As `bci_core.report.summary.summarise` made it; None makes it again.
    evidence : Evidence or None
        What is in the files, where that has been read; None reads it.

    Raises
    ------
    SessionError
        The ledger is missing or was altered, or the file cannot be written.
    """
    evidence = evidence or read_evidence(files)
    write_text(files.report, render(evidence, summary or summary_of(evidence)))


def render(evidence: Evidence, summary: Mapping[str, Any]) -> str:
    """The page. Whatever comes from files is escaped by the template."""
    told = evidence.trace
    audited = audit_pictures(evidence, summary["audit"])
    script, figures = _figures(evidence, summary, audited)
    page = environment().from_string(resource("page.html"))
    return page.render(
        s=summary,
        title=told.name or evidence.folder,
        folder=evidence.folder,
        description=told.start.get("description", ""),
        tone=_tone(summary),
        problems=_problems(summary),
        response=summary["latency_ms"][RESPONSE],
        latencies=_latency_rows(summary["latency_ms"]),
        ready=told.ready,
        keys=raster.COLOURS,
        channel=evidence.section("detector").get("channel", ""),
        events=_event_rows(told),
        refusals=_refusal_rows(told),
        privacy=sorted(dict(told.start.get("privacy") or {}).items()),
        rig_sha256=told.start.get("rig_sha256", "unknown"),
        provenance=_flat(evidence.provenance),
        figures=figures,
        audited=[
            ("Missed", [name for name in audited if name.startswith("missed")]),
            ("Invented", [name for name in audited if name.startswith("invented")]),
        ],
        event_keys={
            "missed": events.MARKED,
            "found": events.FOUND,
            "invented": events.FALSE_ALARM,
            "band": events.IN_BAND,
        },
        script=script,
        css=Markup(resource("page.css")),  # noqa: S704 - our own file
        bokeh=bokeh_scripts(),
    )


def _figures(
    evidence: Evidence, summary: Mapping[str, Any], audited: Mapping[str, Any]
) -> tuple[Markup, dict[str, Markup]]:
    limits = summary["budget"]["limits"]
    achieved = achieved_phase(evidence)
    made = {
        "latency_tail": latency.latency_tail(evidence, limits),
        "latency_over_time": latency.latency_over_time(evidence, limits),
        "rose": phase.rose(achieved) if achieved else None,
        "phase_errors": phase.phase_errors(achieved) if achieved else None,
        "excerpt": raster.excerpt(evidence),
        "timeline": raster.timeline(evidence),
        "charge": amounts.charge(evidence),
        "memory": amounts.memory(evidence),
    }
    drawn = {name: plot for name, plot in made.items() if plot is not None} | dict(audited)
    return embedded(drawn)


def _tone(summary: Mapping[str, Any]) -> str:
    tone = _TONES.get(summary["status"], "bad")
    return "warn" if tone == "good" and _problems(summary) else tone


def _problems(summary: Mapping[str, Any]) -> list[str]:
    """What a reader should not overlook."""
    problems = [f"fault: {fault}" for fault in summary["faults"]]
    for key, limit in summary["budget"]["limits"].items():
        if limit["pass"] is False:
            problems.append(
                f"over budget: {key} is {limit['value_ms']:.3g} ms, limit {limit['limit_ms']:g} ms"
            )
    if summary["samples_lost"]:
        problems.append(f"samples lost: {summary['samples_lost']}")
    if summary["unaccounted"]:
        problems.append(f"triggers of which nobody knows how they ended: {summary['unaccounted']}")
    if summary["contradictions"]:
        problems.append(
            f"triggers of which loop and device tell different things: {summary['contradictions']}"
        )
    if summary["phase"] and summary["phase"]["missed_cycles"]:
        problems.append(f"cycles without a detection: {summary['phase']['missed_cycles']}")
    if not summary["ledger"]["closed"]:
        problems.append("the ledger was not closed: what came last may be missing")
    if summary["recording_problem"]:
        problems.append(f"recording: {summary['recording_problem']}")
    return problems


def _latency_rows(latency_ms: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    about = [(stage.key, stage.about, "") for stage in STAGES]
    about.append((RESPONSE, "the middleware, without the amplifier", "whole"))
    about.append((DEVICE, "the stimulator's own, apart", "aside"))
    about.append((ONSET_ERROR, "first phase after the time that was aimed at", "aside"))
    scale = max(latency_ms[key]["p99"] or 0.0 for key, _, kind in about if kind != "aside")
    rows = []
    for key, text, kind in about:
        q = latency_ms[key]
        drawn = kind != "aside" and q["p99"] is not None and scale > 0.0
        rows.append(
            {
                "name": words(key),
                "about": text,
                "kind": kind,
                "q": q,
                "colour": latency.COLOURS.get(key),
                "p50_share": round(max(0.0, 100 * q["p50"] / scale), 2) if drawn else None,
                "p99_share": round(max(0.0, 100 * q["p99"] / scale), 2) if drawn else None,
            }
        )
    return rows


def _event_rows(told: Trace) -> list[dict[str, str]]:
    rows = [
        {"t": f"{event.when_s - told.zero_s:.2f}", "kind": event.kind, "text": event.text}
        for event in told.events
    ]
    if len(rows) > _MOST_EVENTS:
        left_out = f"{len(rows) - _MOST_EVENTS} more are in the ledger"
        rows = [*rows[:_MOST_EVENTS], {"t": "", "kind": "…", "text": left_out}]
    return rows


def _refusal_rows(told: Trace) -> list[dict[str, Any]]:
    counted = Counter((refusal.text, refusal.kind) for refusal in told.refusals())
    return [{"reason": r, "by": by, "n": n} for (r, by), n in counted.most_common()]


def _flat(tree: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested provenance as rows."""
    rows: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{above} {key}".strip()
        if isinstance(value, Mapping):
            rows += _flat(value, "" if key in ("versions", "machine") else name)
        else:
            rows.append((name, str(value)))
    return rows
