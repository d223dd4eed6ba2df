"""The default session as an operator runs it, and everything it leaves behind."""

import json
import math
import re
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest
import pyxdf

from bci_core.config.load import load_rig
from bci_core.control.journal import MASK, ROW
from bci_core.record.ledger import read_ledger, verify_ledger
from bci_core.record.xdf import read_session_xdf

pytestmark = pytest.mark.processes

Bci = Callable[..., "CompletedProcess[str]"]
STAMPS = ("sample_s", "received_s", "detected_s", "decided_s", "sent_s", "accepted_s", "onset_s")


def theta_phase(stage: Any) -> Any:
    session = stage.start("theta-phase", "--duration", "5", "--json", report=True)
    session.until_row("session.start")
    session.until_row("disarmed")
    stage.quiet.set()
    return stage.played(session)


theta_phase.alone = True  # it is judged against time


class Finished:
    """The session, with its files read once."""

    def __init__(self, played: Any) -> None:
        self.played = played
        self.folder: Path = played.folder
        self.ledger = read_ledger(self.folder / "ledger.jsonl")
        self.recording = read_session_xdf(self.folder / "session.xdf")
        self.summary: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())

    def onsets_s(self) -> list[float]:
        """Of the pulses, by the recording."""
        onsets_s = self.recording.loop["onset_s"]
        return onsets_s[np.isfinite(onsets_s)].tolist()

    def data(self, event: str) -> list[dict[str, Any]]:
        return [row.data for row in self.ledger if row.event == event]


@pytest.fixture(scope="module", params=[theta_phase])
def finished(request: pytest.FixtureRequest, playing: Any) -> Finished:
    return Finished(playing[request.param].result())


def test_it_completes_and_says_so(finished: Finished) -> None:
    assert finished.played.status == 0
    told = json.loads(finished.played.session.stdout)
    assert Path(told.pop("folder")) == finished.folder
    assert told == finished.summary
    assert (told["status"], told["reason"]) == ("completed", "ran for 5 s")
    assert told["duration_s"] == pytest.approx(5.0, abs=0.3)


def test_progress_is_plain_lines_on_a_pipe(finished: Finished) -> None:
    lines = finished.played.session.stderr.splitlines()
    assert "\x1b" not in finished.played.session.stderr
    assert lines[0] == f"session {finished.folder}"
    assert any(line.startswith("armed ") and "after the command" in line for line in lines)
    live = [line for line in lines if line.startswith("elapsed")]
    assert len(live) == 6
    for figure in ("ARMED", "samples ", "lost 0", "detections ", "pulses ", "refused ", "latency "):
        assert figure in live[4]
    assert "elapsed 5/5 s  state disarmed: closing files" in live[5]


def test_the_folder_is_complete_and_nothing_else_is_left(finished: Finished) -> None:
    left = {path.name for path in finished.folder.iterdir()}
    assert left == {
        *("rig.toml", "session.xdf", "ledger.jsonl", "summary.json", "report.html"),
        *("provenance.json", "lsl_api.cfg", "logs"),
    }
    provenance = json.loads((finished.folder / "provenance.json").read_text())
    assert provenance["versions"]["bci"]
    assert provenance["parts"]["amplifier"]["name"] == "brainflow"


def test_the_rig_has_every_default_written_out(finished: Finished) -> None:
    written = tomllib.loads((finished.folder / "rig.toml").read_text())
    assert written["session"]["device_lease_s"] == 0.25
    assert written["safety"]["charge_per_phase_uc"] == 0.004
    rig = load_rig("theta-phase")
    rig = replace(rig, safety=rig.safety.resolved())
    assert load_rig(str(finished.folder / "rig.toml")) == rig


def test_the_ledger_verifies_and_tells_the_story_in_order(finished: Finished, here: Bci) -> None:
    report = verify_ledger(finished.folder / "ledger.jsonl")
    assert (report.rows, report.closed) == (len(finished.ledger), True)
    story = [row.event for row in finished.ledger if row.event not in ("decision", "outcome")]
    landmarks = ("session.start", "arm.intent", "armed", "disarmed", "samples", "session.end")
    assert [event for event in story if event in landmarks] == list(landmarks)
    shown = here("ledger", "verify", finished.folder)
    assert shown.returncode == 0
    assert report.head in shown.stdout


def test_a_flipped_byte_is_found_and_its_row_named(
    finished: Finished, here: Bci, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    lines = (copy / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"actor":"', b'"actor":"x', 1)
    (copy / "ledger.jsonl").write_bytes(b"".join(lines))
    shown = here("ledger", "verify", copy)
    assert shown.returncode == 2
    assert "row 7 does not match its hash" in shown.stderr
    assert here("report", copy).returncode == 2


def test_the_streams_are_described_as_other_tools_expect(finished: Finished) -> None:
    streams, _ = pyxdf.load_xdf(finished.folder / "session.xdf")
    by_name = {stream["info"]["name"][0]: stream["info"] for stream in streams}
    assert by_name.keys() - {"theta-phase-detector"} == {
        *("theta-phase", "theta-phase-events", "theta-phase-loop", "theta-phase-mask"),
        "theta-phase-current",
    }

    samples = by_name["theta-phase"]
    assert samples["type"] == ["EEG"]
    assert float(samples["nominal_srate"][0]) == 250.0
    channels = samples["desc"][0]["channels"][0]["channel"]
    assert channels[0]["label"] == ["Fz"]
    assert {channel["unit"][0] for channel in channels} == {"microvolts"}
    assert "BrainFlow" in samples["desc"][0]["acquisition"][0]["manufacturer"][0]

    events = by_name["theta-phase-events"]
    assert (events["type"], events["channel_format"]) == (["Markers"], ["string"])

    loop = by_name["theta-phase-loop"]
    assert (loop["type"], loop["channel_format"]) == (["ClosedLoop"], ["double64"])
    described = loop["desc"][0]["channels"][0]["channel"]
    assert [(c["label"][0], c["unit"][0]) for c in described] == list(ROW)

    mask = by_name["theta-phase-mask"]
    assert (mask["type"], mask["channel_format"]) == (["ClosedLoop"], ["double64"])
    described = mask["desc"][0]["channels"][0]["channel"]
    assert [(c["label"][0], c["unit"][0]) for c in described] == list(MASK)


def test_the_mask_says_which_samples_a_pulse_has_spoilt(finished: Finished) -> None:
    streams, _ = pyxdf.load_xdf(finished.folder / "session.xdf", synchronize_clocks=False)
    (mask,) = (s for s in streams if s["info"]["name"] == ["theta-phase-mask"])
    times_s = finished.recording.times_s
    changed = np.searchsorted(times_s, mask["time_stamps"])
    assert (times_s[changed] == mask["time_stamps"]).all()
    (ready,) = finished.data("loop.ready")
    assert mask["time_stamps"][0] == ready["first_sample_s"]
    held = np.repeat(mask["time_series"], np.diff([*changed, len(times_s)]), axis=0)
    blank = held[:, [label for label, _ in MASK].index("blank")] == 1.0
    for onset_s in finished.onsets_s()[:-1]:
        spoilt = (times_s[changed[0] :] >= onset_s) & (times_s[changed[0] :] < onset_s + 0.02)
        assert blank[spoilt].all()
    (counted,) = finished.data("samples")
    # The recorder outlasts the loop, whose last word on the samples may be a blank.
    seen = blank[: counted["samples"]]
    assert 0 < counted["blanked"] == pytest.approx(seen.sum(), abs=8)
    assert (counted["blank_overflow"], counted["mask_overflow"]) == (0, 0)


def test_each_trigger_has_one_row_with_seven_stamps_in_order(finished: Finished) -> None:
    loop = finished.recording.loop
    outcomes = finished.data("outcome")
    triggers = [d for d in finished.data("decision") if d["seq"] and d["refusal"] is None]
    assert len(triggers) > 15
    assert loop["seq"].tolist() == [d["seq"] for d in triggers]
    assert loop["seq"].tolist() == [o["seq"] for o in outcomes]
    # The last may have been on its way when the session ended.
    assert {o["outcome"] for o in outcomes[:-1]} == {"delivered"}
    delivered = np.isfinite(loop["onset_s"])
    assert delivered[:-1].all()
    stamps = np.stack([loop[label][delivered] for label in STAMPS], axis=1)
    assert np.isfinite(stamps).all()
    # A sample's time is fitted to many arrivals; one of them may come a little before it.
    assert (np.diff(stamps, axis=1) >= [-0.005, 0, 0, 0, 0, 0]).all()
    for label in STAMPS[:-1]:
        assert loop[label].tolist() == [o[label] for o in outcomes]
    assert np.unique(loop["charge_uc"][delivered]).tolist() == [pytest.approx(0.002)]


def test_each_pulse_has_its_marker(finished: Finished) -> None:
    stims = [m.when_s for m in finished.recording.markers if m.text == "stim"]
    assert stims == finished.onsets_s()
    refused = [m.text for m in finished.recording.markers if m.text.startswith("refused:")]
    assert len(refused) == sum(finished.summary["refused"].values())
    assert finished.recording.markers[-1].text == "session:end"


def test_the_stimulator_itself_says_the_same(finished: Finished) -> None:
    told = [d["onset_s"] for d in finished.data("delivery") if d["outcome"] == "delivered"]
    assert told == finished.onsets_s()


def test_no_sample_is_lost_and_every_one_is_recorded(finished: Finished) -> None:
    assert finished.summary["samples_lost"] == 0
    steps = np.diff(finished.recording.times_s) * 250.0
    assert np.rint(steps).min() == np.rint(steps).max() == 1.0
    (ready,) = finished.data("loop.ready")
    (counted,) = finished.data("samples")
    heard = finished.recording.times_s >= ready["first_sample_s"]
    assert counted["samples"] == finished.summary["samples"]
    assert heard.sum() >= counted["samples"]


@pytest.mark.realtime
def test_pulses_meet_the_trough(finished: Finished) -> None:
    phase = finished.summary["phase"]
    assert phase["reference"] == "fitted sine"
    assert phase["n"] == finished.summary["delivered"] > 15
    assert abs(phase["mean_error_deg"]) <= 5.0
    assert phase["resultant_length"] >= 0.98
    assert phase["missed_cycles"] == 0


def test_latency_is_told_stage_by_stage(finished: Finished) -> None:
    latency_ms = finished.summary["latency_ms"]
    for stage in ("sample_to_received", "decided_to_sent", "received_to_accepted"):
        figures = latency_ms[stage]
        assert figures["n"] == finished.summary["triggers"]
        assert figures["p50"] <= figures["p99"] <= figures["p999"] <= figures["max"]
    # As the microstimulator's trigger input has it.
    assert latency_ms["device_command_latency"]["max"] == pytest.approx(0.1)


def test_the_report_stands_by_itself_and_can_be_made_again(finished: Finished, here: Bci) -> None:
    report = finished.folder / "report.html"
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", report.read_text()) == []
    report.unlink()
    again = here("report", finished.folder, "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout) == finished.summary
    assert report.exists()


def test_replay_makes_every_decision_again(finished: Finished, here: Bci) -> None:
    done = here("replay", finished.folder, "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["identical"]
    assert told["difference"] == ""
    assert told["decisions"] == told["agreeing"] == len(finished.data("decision"))
    assert told["recorded_s"] == pytest.approx(5.0, abs=1.0)


def test_replay_finds_an_altered_sample(finished: Finished, here: Bci, tmp_path: Path) -> None:
    """One sample just before a detection, moved by half a millivolt."""
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    decision = finished.data("decision")[10]
    index = int(np.searchsorted(finished.recording.times_s, decision["sample_s"]))
    row = finished.recording.samples[index]
    xdf = copy / "session.xdf"
    content = xdf.read_bytes()
    assert content.count(row.tobytes()) == 1
    moved = row.copy()
    moved[finished.recording.info.index_of("Fz")] += 500.0
    xdf.write_bytes(content.replace(row.tobytes(), moved.tobytes()))
    done = here("replay", copy)
    assert done.returncode == 1
    assert done.stdout.startswith("10 of ")
    assert f"sample_index was {decision['sample_index']}, replayed as" in done.stdout


def test_replay_finds_an_altered_decision(finished: Finished, here: Bci, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finished.folder, copy)
    ledger = copy / "ledger.jsonl"
    target_s = finished.data("decision")[12]["target_s"]
    after_s = math.nextafter(target_s, math.inf)
    text = ledger.read_text()
    ledger.write_text(text.replace(f'"target_s":{target_s!r}', f'"target_s":{after_s!r}'))
    done = here("replay", copy)
    assert done.returncode == 1
    assert f"target_s was {after_s!r}, replayed as {target_s!r}" in done.stdout
