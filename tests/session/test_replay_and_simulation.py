"""The same loop on a virtual clock: simulated, and decided again from the recording."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf

from bci_core.chunk import Chunk
from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.config.rig import Part, Rig
from bci_core.control.arms_settings import ArmsSettings, ShamArm
from bci_core.control.journal import MASK
from bci_core.detection.band_power import BandPowerSettings
from bci_core.detection.signal_quality import SignalQualitySettings
from bci_core.errors import InputError, SessionError
from bci_core.record.convert import to_brainflow
from bci_core.record.ledger import read_ledger, verify_ledger
from bci_core.record.recording import read_recording
from bci_core.record.xdf import read_session_xdf
from bci_core.session import build, simulate
from bci_core.session.folder import SessionFolder
from bci_core.session.replay import RecordedLink, replay_session
from bci_core.session.simulate import on_virtual_clock, simulate_session
from drivers.amplifiers.lsl_stream import LslSettings
from drivers.amplifiers.recording import RecordingSettings
from drivers.amplifiers.sine import SineSettings


class Silent:
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[Mapping[str, Any]] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def show(self, state: Mapping[str, Any]) -> None:
        self.shown.append(state)


Simulated = tuple[SessionFolder, dict[str, Any], Silent]


def simulated(rig: Rig, out: Path, duration_s: float) -> Simulated:
    progress = Silent()
    folder, summary = simulate_session(rig, "test", out, progress, duration_s)
    return folder, summary, progress


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Twenty seconds of the default preset."""
    return simulated(load_rig("theta-phase"), tmp_path_factory.mktemp("sessions"), 20.0)


def test_a_simulated_session_is_a_whole_one(session: Simulated) -> None:
    folder, summary, progress = session
    assert (summary["status"], summary["samples"]) == ("completed", 5001)
    assert 90 <= summary["delivered"] <= 100
    assert verify_ledger(folder.ledger).closed
    for path in (folder.rig, folder.xdf, folder.summary, folder.report, folder.provenance):
        assert path.is_file()
    assert [state["elapsed_s"] for state in progress.shown] == pytest.approx([10.0, 20.0], abs=0.1)
    assert progress.shown[-1]["disarmed"] == ""


def test_real_time_amplifiers_need_a_stand_in() -> None:
    rig = load_rig("theta-phase")
    clock = VirtualClock()
    assert on_virtual_clock(rig, clock).describe().channels[0] == "Fz"
    stream = Part("lsl", LslSettings(stream_name="x"))
    with pytest.raises(InputError, match="'lsl' runs in real time only"):
        on_virtual_clock(replace(rig, amplifier=stream), clock)


def recorded(tmp_path: Path, gap: slice | None = None) -> Rig:
    """Theta-phase on a recording of ten seconds, with a gap in it where asked for."""
    sine_uv = 20.0 * np.sin(2 * np.pi * 5 * np.arange(2500) / 250.0)
    file = tmp_path / "r.csv"
    np.savez(tmp_path / "r.npz", data=sine_uv[:, None], fs=250.0, units="uV")
    to_brainflow(read_recording(tmp_path / "r.npz"), "SYNTHETIC_BOARD", file)
    if gap is not None:
        lines = file.read_text().splitlines(keepends=True)
        del lines[gap]
        file.write_text("".join(lines))
    settings = RecordingSettings(file=str(file), board="SYNTHETIC_BOARD")
    return replace(load_rig("theta-phase"), amplifier=Part("recording", settings))


def test_it_ends_with_its_recording(tmp_path: Path) -> None:
    _, summary, _ = simulated(recorded(tmp_path), tmp_path, 60.0)
    assert summary["status"] == "completed"
    assert summary["reason"] == "the recording has come to its end"
    assert summary["duration_s"] == pytest.approx(10.0, abs=0.1)


def test_what_disarms_ends_it_in_order(tmp_path: Path) -> None:
    """Half a second is missing from the recording: the samples are stale."""
    folder, summary, progress = simulated(recorded(tmp_path, slice(1000, 1125)), tmp_path, 60.0)
    assert (summary["status"], summary["reason"]) == ("failed", "disarmed: stale")
    assert progress.said[-1] == "failed: disarmed: stale"
    assert verify_ledger(folder.ledger).closed
    assert [row.event for row in read_ledger(folder.ledger)][-3:] == [
        "disarmed",
        "samples",
        "session.end",
    ]
    assert replay_session(folder).identical


def test_a_replay_makes_the_same_decisions(session: Simulated) -> None:
    result = replay_session(session[0])
    assert result.identical
    assert result.agreeing == result.decisions == session[1]["detections"]
    assert result.speed > 1.0
    assert result.headline().startswith(f"{result.decisions} of {result.decisions} decisions ident")
    assert result.to_dict()["identical"] is True


Rows = list[dict[str, Any]]


def without_first(rows: Rows, event: str) -> Rows:
    index = next(i for i, row in enumerate(rows) if row["event"] == event)
    return rows[:index] + rows[index + 1 :]


def last_decision(rows: Rows) -> int:
    return max(i for i, row in enumerate(rows) if row["event"] == "decision")


def second_trigger_of_last(rows: Rows) -> Rows:
    index = last_decision(rows)
    rows[index]["data"]["seq"] += 1
    return rows


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda rows: without_first(rows, "decision"), "sample_index was"),
        (second_trigger_of_last, "seq was"),
        (lambda rows: [*rows, rows[last_decision(rows)]], "was recorded, and not made again"),
        (
            lambda rows: rows[: last_decision(rows)] + rows[last_decision(rows) + 1 :],
            "detected in the replay, not in the session",
        ),
    ],
)
def test_the_first_difference_is_shown(
    session: Simulated, tmp_path: Path, change: Callable[[Rows], Rows], difference: str
) -> None:
    result = replay_session(altered(session[0], tmp_path, change))
    assert not result.identical
    assert difference in result.difference


def test_a_killed_session_is_replayed_as_far_as_its_ledger_goes(
    session: Simulated, tmp_path: Path
) -> None:
    def cut_off(rows: Rows) -> Rows:
        return rows[: len(rows) // 2]

    result = replay_session(altered(session[0], tmp_path, cut_off))
    assert result.identical
    assert 0 < result.decisions < session[1]["detections"]


def test_a_folder_that_cannot_be_replayed_says_why(session: Simulated, tmp_path: Path) -> None:
    never_began = altered(session[0], tmp_path / "a", lambda rows: rows[:3])
    with pytest.raises(SessionError, match=r"no 'loop\.ready' row; the loop never began"):
        replay_session(never_began)

    def later(rows: Rows) -> Rows:
        ready = next(row for row in rows if row["event"] == "loop.ready")
        ready["data"]["first_sample_s"] += 0.001
        return rows

    with pytest.raises(SessionError, match=r"first sample, at .* is not in it"):
        replay_session(altered(session[0], tmp_path / "b", later))


def test_nothing_is_loaded_in_a_replay() -> None:
    link = RecordedLink()
    with pytest.raises(NotImplementedError):
        link.load([])
    assert link.poll() == []
    assert link.disarmed_reason() == ""


def altered(folder: SessionFolder, tmp_path: Path, change: Callable[[Rows], Rows]) -> SessionFolder:
    """A copy with another ledger."""
    copy = tmp_path / "copy"
    shutil.copytree(folder.path, copy)
    made = SessionFolder.open(copy)
    rows = change([json.loads(line) for line in made.ledger.read_text().splitlines()])
    made.ledger.write_text("".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows))
    return made


def streams_of(folder: SessionFolder) -> dict[str, Any]:
    streams, _ = pyxdf.load_xdf(folder.xdf, synchronize_clocks=False, dejitter_timestamps=False)
    return {stream["info"]["name"][0].removeprefix("theta-phase"): stream for stream in streams}


def test_the_mask_is_recorded_as_the_monitor_had_it(session: Simulated) -> None:
    folder, summary, _ = session
    mask = streams_of(folder)["-mask"]
    samples = read_session_xdf(folder.xdf)
    first = np.searchsorted(samples.times_s, mask["time_stamps"])
    assert (samples.times_s[first] == mask["time_stamps"]).all()
    held = np.repeat(mask["time_series"], np.diff([*first, len(samples.times_s)]), axis=0)
    labels = [label for label, _ in MASK]
    assert held[:, labels.index("blank")].sum() == summary["sample_faults"]["blanked"] > 200
    assert held[:250, labels.index("settling")].all()
    assert not held[250:, labels.index("settling")].any()


HZ = 9.7


class Artefacts:
    """An amplifier that hears every pulse of the stimulator: 60 dB above the signal, and slow."""

    def __init__(self, amplifier: Any, onsets_s: list[float]) -> None:
        self._amplifier = amplifier
        self._onsets_s = onsets_s
        self.largest_uv = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._amplifier, name)

    def read(self, wait_s: float) -> Chunk | None:
        chunk: Chunk | None = self._amplifier.read(wait_s)
        if chunk is None:
            return None
        spoilt = chunk.samples.copy()
        for onset_s in self._onsets_s[-3:]:
            since_s = chunk.times_s - onset_s
            tail_uv = np.where(since_s >= 0.0, 14_200.0 * np.exp(-since_s / 0.001), 0.0)
            spoilt += tail_uv[:, np.newaxis].astype(np.float32)
            self.largest_uv = max(self.largest_uv, float(tail_uv.max()))
        return Chunk(spoilt, chunk.times_s)


def fast(**blanking: Any) -> Rig:
    """A pulse at each trough of 9.7 Hz, which meets the samples at any time between two."""
    rig = load_rig("theta-phase")
    asked = {"band_hz": (7.0, 14.0), "channel": "a"}
    return replace(
        rig,
        amplifier=Part("sine", SineSettings(frequency_hz=HZ, channels=("a",))),
        detector=Part("phase", rig.detector.settings.model_copy(update=asked)),
        policy=rig.policy.model_copy(update={"refractory_s": 0.05, "max_rate_hz": 20.0}),
        safety=rig.safety.model_copy(update={"lockout_s": 0.05, "trains_per_s": 20.0}),
        blanking=rig.blanking.model_copy(update=blanking),
    )


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than what is looked at here."""
    monkeypatch.setattr(simulate, "finish", lambda _folder, _progress: {})


def with_artefacts(
    rig: Rig, out: Path, duration_s: float, patch: pytest.MonkeyPatch
) -> tuple[SessionFolder, Artefacts]:
    onsets_s: list[float] = []
    made: list[Artefacts] = []
    make_amplifier, make_stimulator = build.amplifier, build.stimulator

    def amplifier(rig: Rig, clock: Any) -> Any:
        made.append(Artefacts(make_amplifier(rig, clock), onsets_s))
        return made[-1]

    def stimulator(rig: Rig) -> Any:
        device = make_stimulator(rig)
        take = device.trigger

        def trigger(trigger: Any, now_s: float) -> Any:
            answer = take(trigger, now_s)
            if answer.refusal is None and not trigger.sham:
                onsets_s.append(max(trigger.at_s, now_s))
            return answer

        device.trigger = trigger  # type: ignore[method-assign]
        return device

    patch.setattr(build, "amplifier", amplifier)
    patch.setattr(build, "stimulator", stimulator)
    return simulated(rig, out, duration_s)[0], made[0]


def detections(folder: SessionFolder) -> Rows:
    rows = [dict(row.data) for row in read_ledger(folder.ledger) if row.event == "decision"]
    return [row for row in rows if row["reason"] != "settling"]


KEPT_DEG = 15.0
"""No target is further off while artefacts are blanked, and some are when they are not."""


def errors_deg(found: Rows) -> Any:
    """Of the targets, against the troughs of the sine."""
    targets_s = np.array([row["target_s"] for row in found]) - 1000.0
    return (360.0 * HZ * targets_s - 270.0 + 180.0) % 360.0 - 180.0


@pytest.mark.usefixtures("no_report")
def test_our_own_pulses_are_not_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of them, 60 dB above the signal: one detection a trough, no other.

    `bci bench artefact` gives ten thousand.
    """
    rig = fast(blanking_s=0.01)
    folder, amplifier = with_artefacts(rig, tmp_path, 36.0, monkeypatch)
    assert amplifier.largest_uv > 1000.0 * 14.2 * 0.95
    outcomes = [row.data["outcome"] for row in read_ledger(folder.ledger) if row.event == "outcome"]
    assert outcomes.count("delivered") > 300
    found = detections(folder)
    assert len(found) == pytest.approx((36.0 - 1.0) * HZ, abs=3.0)
    assert abs(errors_deg(found)).max() < KEPT_DEG
    assert {row["verdict"] for row in found} == {"stim"}
    assert replay_session(folder).identical


@pytest.mark.usefixtures("no_report")
def test_they_would_be_without_blanking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = fast(guard_s=0.0, blanking_s=0.0)
    folder, _ = with_artefacts(rig, tmp_path, 10.0, monkeypatch)
    assert abs(errors_deg(detections(folder))).max() > KEPT_DEG


@pytest.mark.usefixtures("no_report")
def test_both_arms_lose_the_same_samples(tmp_path: Path) -> None:
    rig = fast()
    sham = replace(rig, arms=ArmsSettings(sham=ShamArm()))
    rows = [
        [
            row.data
            for row in read_ledger(simulated(each, out, 5.0)[0].ledger)
            if row.event == "blank"
        ]
        for each, out in ((rig, tmp_path / "active"), (sham, tmp_path / "sham"))
    ]
    assert len(rows[0]) > 60
    assert rows[0] == rows[1]


def test_a_replay_without_a_recorded_blank_is_told_apart(
    session: Simulated, tmp_path: Path
) -> None:
    result = replay_session(altered(session[0], tmp_path, lambda r: without_first(r, "blank")))
    assert not result.identical


def seizing(out: Path) -> Rig:
    """Theta-phase on a recording whose second channel begins to oscillate after six seconds."""
    times_s = np.arange(3000) / 250.0
    signal_uv = np.random.default_rng(0).normal(0.0, 1.0, (3000, 2))
    signal_uv[:, 0] += 20.0 * np.sin(2 * np.pi * 5 * times_s)
    signal_uv[1500:1750, 1] += 200.0 * np.sin(2 * np.pi * 20 * times_s[:250])
    np.savez(out / "s.npz", data=signal_uv, fs=250.0, units="uV")
    rig = load_rig("theta-phase")
    rig = replace(rig, amplifier=Part("recording", RecordingSettings(file=str(out / "s.npz"))))
    first, second = build.amplifier(rig, VirtualClock()).describe().channels
    phase = rig.detector.settings.model_copy(update={"channel": first})
    asked = {"channel": second, "band_hz": (15.0, 25.0), "threshold_sd": 6.0, "learning_s": 2.0}
    guard = BandPowerSettings(**asked)
    return replace(rig, detector=Part("phase", phase), guard=Part("band_power", guard))


@pytest.fixture(scope="module")
def aborted(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """Ended by its guard."""
    out = tmp_path_factory.mktemp("guarded")
    return simulated(seizing(out), out, 60.0)


def test_an_onset_of_the_guard_ends_stimulation(aborted: Simulated) -> None:
    folder, summary, _ = aborted
    assert (summary["status"], summary["guard"]) == ("failed", 1)
    assert summary["reason"] == "disarmed: latched:guard:band_power"
    rows = read_ledger(folder.ledger)
    (alarm,) = [row.data for row in rows if row.event == "guard"]
    assert (alarm["kind"], alarm["guard"]) == ("onset", "band_power")
    assert 1500 < alarm["sample_index"] < 1560
    (latched,) = [row.data for row in rows if row.event == "latched"]
    assert latched["reason"] == "guard:band_power"
    outcomes = [row.data for row in rows if row.event == "outcome"]
    assert summary["delivered"] > 15
    assert all((o["offset_s"] or 0.0) <= alarm["now_s"] for o in outcomes if o["outcome"] != "sham")
    assert "guard:onset" in [m.text for m in read_session_xdf(folder.xdf).markers]
    assert replay_session(folder).identical


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda rows: without_first(rows, "guard"), "found by the guard in the replay, not in"),
        (
            lambda rows: [*rows, next(row for row in rows if row["event"] == "guard")],
            "the guard's row 2 was recorded, and not made again",
        ),
    ],
)
def test_a_replay_compares_what_the_guard_found(
    aborted: Simulated, tmp_path: Path, change: Callable[[Rows], Rows], difference: str
) -> None:
    assert difference in replay_session(altered(aborted[0], tmp_path, change)).difference


@pytest.mark.usefixtures("no_report")
def test_outputs_of_the_detector_are_recorded(tmp_path: Path) -> None:
    rig = load_rig("theta-phase")
    asked = SignalQualitySettings(channels=("Fz", "C3"), mains_hz=50.0)
    rig = replace(rig, detector=Part("signal_quality", asked))
    folder, _, progress = simulated(rig, tmp_path, 3.0)
    stream = streams_of(folder)["-detector"]
    described = stream["info"]["desc"][0]["channels"][0]["channel"]
    assert [channel["label"][0] for channel in described][:2] == ["Fz flags", "C3 flags"]
    assert len(stream["time_stamps"]) > 100
    assert np.isfinite(stream["time_series"]).all()
    assert not any("failed" in text for text in progress.said)
