"""The audit at the end of a session, on sessions made up with known figures."""

import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from bci_core.clock import VirtualClock
from bci_core.detection.monitor_flags import FLAG_BLANK, FLAG_GAP, FLAG_RAILED, FLAG_SETTLING
from bci_core.events import Veto
from bci_core.record.ledger import Ledger, read_ledger
from bci_core.report.audit import audit, heard
from bci_core.report.evidence import read_evidence
from bci_core.report.html import write_report
from bci_core.report.sample_flags import flags_of
from bci_core.report.summary import write_summary

Fakes = Callable[..., Any]


class Text(HTMLParser):
    def __init__(self, files: Any) -> None:
        super().__init__()
        self.text = ""
        self.n_figures = 0
        self.feed(files.report.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.n_figures += any(name == "data-root-id" for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += " ".join(data.split()) + " "


def reported(files: Any) -> tuple[dict[str, Any], Text]:
    summary = write_summary(files)
    write_report(files, summary)
    return summary, Text(files)


def test_a_detector_that_found_every_cycle(fake: Fakes) -> None:
    summary, page = reported(fake(duration_s=20.0, trouble=False))
    told = summary["audit"]
    assert summary["audit_reason"] is None
    assert (told["missed"], told["invented"]) == (0, 0)
    assert told["found"] == told["events"] > 100
    assert abs(told["latency_ms"]["p50"]) < 2.0
    assert told["recall"] == told["precision"] == 1.0
    assert "each pass of 180 deg" in told["compared_with"]
    assert told["audited_s"] == pytest.approx(20.2, abs=0.5)
    assert "found online" in page.text


def test_missed_cycles_are_counted_and_shown(fake: Fakes) -> None:
    files = fake(duration_s=20.0, trouble=False, skip_cycles=(40, 41, 60))
    summary, page = reported(files)
    told = summary["audit"]
    assert (told["missed"], told["invented"]) == (3, 0)
    # The first is aimed at 0.9 s before arming, and there are five a second.
    onsets_s = [mark["onset_s"] for mark in told["missed_at"]]
    assert onsets_s == pytest.approx([7.1, 7.3, 11.1], abs=0.01)
    assert "Missed: the first 3" in page.text
    assert page.n_figures == 8 + 3


def test_what_the_detector_invented_is_counted_and_shown(fake: Fakes) -> None:
    # A sine of 1 uV is below the rig's gate of 4 uV, yet each cycle was announced.
    summary, page = reported(fake(duration_s=20.0, trouble=False, amplitude_uv=1.0, noise_uv=0.1))
    told = summary["audit"]
    assert told["events"] == told["found"] == 0
    assert told["invented"] > 100
    assert len(told["invented_at"]) == 100
    assert told["recall"] is None
    assert "Invented: the first 6" in page.text


def test_vetoed_detections_are_not_judged(fake: Fakes) -> None:
    told = write_summary(fake(duration_s=20.0))["audit"]
    assert told["invented"] == 0
    assert told["found"] < told["events"]


def test_a_kind_without_a_reference(fake: Fakes) -> None:
    files = fake(duration_s=5.0)
    files.rig.write_text(files.rig.read_text().replace('"phase"', '"spikes"'))
    summary, page = reported(files)
    assert summary["audit"] is None
    assert "no acausal reference for a detector of kind 'spikes'" in summary["audit_reason"]
    assert "Not audited: there is no acausal reference" in page.text


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda files: files.rig.unlink(), "does not say which detector"),
        (lambda files: files.xdf.unlink(), "there is no recording"),
        (
            lambda files: files.rig.write_text(
                files.rig.read_text().replace("min_amplitude_uv", "min_amplitude")
            ),
            "settings cannot be read",
        ),
        (
            lambda files: files.rig.write_text(
                files.rig.read_text().replace('channel = "Fz"', 'channel = "Oz"')
            ),
            "no channel 'Oz'",
        ),
    ],
)
def test_why_there_is_no_audit(fake: Fakes, spoil: Callable[[Any], object], words: str) -> None:
    files = fake(duration_s=5.0)
    spoil(files)
    summary, page = reported(files)
    assert summary["audit"] is None
    assert words in summary["audit_reason"]
    assert words in page.text
    json.dumps(summary, allow_nan=False)


def test_blanks_and_ends_are_no_events_of_the_session(fake: Fakes) -> None:
    files = fake(duration_s=5.0, trouble=False, ends=False)
    before = write_summary(files)
    rows = [(row.event, row.actor, row.data) for row in read_ledger(files.ledger)]
    last = next(data for event, _, data in reversed(rows) if event == "decision")
    files.ledger.unlink()
    ledger = Ledger(files.ledger, VirtualClock(100.0))
    for event, actor, data in rows:
        ledger.append(event, actor, dict(data))
    ledger.append("decision", "loop", {**last, "sample_index": 10**6, "kind": "end"})
    for end_s in (5006.5, 5006.3):  # what is said last holds
        ledger.append("blank", "loop", {"seq": 1, "start_s": 5006.0, "end_s": end_s})
    ledger.append("blank", "loop", {"seq": 2, "start_s": 5006.0, "end_s": 5006.0})
    ledger.close()
    evidence = read_evidence(files)
    assert evidence.trace.blanks == [(5006.0, 5006.3)]
    assert "blank" not in {event.kind for event in evidence.trace.events}
    assert evidence.trace.n_detections == before["detections"]
    made, _ = audit(evidence)
    assert made is not None
    lost_s = before["audit"]["audited_s"] - made.figures()["audited_s"]
    assert lost_s == pytest.approx(0.3, abs=0.01)


def test_the_recorded_mask_goes_before_flags_made_again(fake: Fakes) -> None:
    evidence = read_evidence(fake(duration_s=5.0, trouble=False))
    stretch = heard(evidence)
    made_again = flags_of(evidence, stretch, (0,))
    assert np.count_nonzero(made_again) == pytest.approx(250, abs=1)  # a second of settling
    assert set(made_again[:250].tolist()) == {FLAG_SETTLING}

    def at(row: int) -> float:
        return float(stretch.times_s[row])

    recording = evidence.recording
    assert recording is not None
    mask = {str(veto): np.zeros(4) for veto in Veto}
    mask["settling"][0] = mask["blank"][2] = mask["railed"][2] = 1.0
    masked = replace(recording, mask=mask, mask_s=np.array([at(0), at(100), at(700), at(705)]))
    flags = flags_of(replace(evidence, recording=masked), stretch, (0,))
    assert np.flatnonzero(flags == FLAG_SETTLING).tolist() == list(range(100))
    assert np.flatnonzero(flags == FLAG_BLANK | FLAG_RAILED).tolist() == list(range(700, 705))
    assert np.count_nonzero(flags) == 105


def test_flags_made_again_of_faults(fake: Fakes) -> None:
    evidence = read_evidence(fake(duration_s=5.0, trouble=True))  # three samples are lost
    recording = evidence.recording
    assert recording is not None
    gap = int(np.flatnonzero(np.diff(recording.times_s) > 0.005)[0]) + 1
    gap -= heard(evidence).first_row
    flags = flags_of(evidence, heard(evidence), (0,))
    assert flags[gap] == FLAG_GAP | FLAG_SETTLING
    assert (flags[gap + 1 : gap + 250] == FLAG_SETTLING).all()


def test_a_killed_session_is_audited_too(fake: Fakes) -> None:
    files = fake(duration_s=10.0, ends=False, trouble=False)
    files.xdf.write_bytes(files.xdf.read_bytes()[:-2000])
    assert write_summary(files)["audit"]["found"] > 30


def test_band_power_is_audited_by_its_own_rule(fake: Fakes) -> None:
    # A steady sine never rises above its own mean, so all that was announced is invented.
    made, why = audit(read_evidence(fake(duration_s=20.0, target_deg=None, trouble=False)))
    assert why == ""
    assert made is not None
    figures = made.figures()
    assert figures["events"] == 0
    assert figures["invented"] > 50
    times_s = np.array([d["time_s"] for d in figures["invented_at"]])
    assert np.all((times_s > -1.3) & (times_s < 20.0))
