"""The report for people: one file that needs nothing else, and no network."""

from collections import Counter
from collections.abc import Callable, Mapping
from importlib.resources import files as package_files
from math import isfinite
from typing import Any

from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from bci_core.report.achieved_phase import achieved_phase
from bci_core.report.evidence import Evidence, SessionFiles, read_evidence
from bci_core.report.figures import amounts, latency, phase, raster
from bci_core.report.latency import DEVICE, ONSET_ERROR, RESPONSE, STAGES
from bci_core.report.summary import summary_of, write_text
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
    script, figures = _figures(evidence, summary)
    page = _environment().from_string(_resource("page.html"))
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
        script=script,
        css=Markup(_resource("page.css")),  # noqa: S704 - our own file
        bokeh=Markup("\n".join(_bokeh().js_raw)),  # noqa: S704 - bokeh's own files
    )


def _figures(evidence: Evidence, summary: Mapping[str, Any]) -> tuple[Markup, dict[str, Markup]]:
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
    drawn = {name: plot for name, plot in made.items() if plot is not None}
    if not drawn:
        return Markup(), {}
    script, divs = components(drawn)
    # Bokeh escapes what goes into its JSON.
    return Markup(script), {name: Markup(div) for name, div in divs.items()}  # noqa: S704


def _bokeh() -> Resources:
    """Only the core of BokehJS: no widgets, tables, WebGL or MathJax."""
    return Resources(mode="inline", components=["bokeh"])


def _resource(name: str) -> str:
    return (package_files("bci_core.report") / name).read_text("utf-8")


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
                "name": _words(key),
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


def _environment() -> Environment:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    filters: dict[str, Callable[..., str]] = {
        "ms": lambda x: _known(x, lambda v: f"{v:.3g} ms" if v < 100 else f"{v:.0f} ms"),
        "bare_ms": lambda x: _known(x, lambda v: f"{v:.3f}"),
        "number": lambda x, digits: _known(x, lambda v: f"{v:.{digits}f}"),
        "signed": lambda x, digits: _known(x, lambda v: f"{v:+.{digits}f}".replace("-", "−")),
        "general": lambda x, digits=4: _known(x, lambda v: f"{v:.{digits}g}"),
        "unit": _unit,
        "words": _words,
        "seconds": lambda x: _known(x, _duration),
    }
    environment.filters.update(filters)
    return environment


def _known(value: Any, write: Callable[[float], str]) -> str:
    """A number as text, and a dash for one that is not there."""
    if isinstance(value, (int, float)) and isfinite(value):
        return write(float(value))
    return "–"


def _words(key: str) -> str:
    """A key of the summary as people say it."""
    words = key.removesuffix("_ms").replace("_to_", " → ").replace("_", " ")
    return words.replace("p999", "p99.9")


def _unit(text: str) -> str:
    """As printed: the ledger keeps to ASCII."""
    for plain, printed in (("log10", "log₁₀"), ("uC", "µC"), ("uA", "µA"), ("^2", "²")):
        text = text.replace(plain, printed)
    return text.replace("cm2", "cm²")


def _duration(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"
