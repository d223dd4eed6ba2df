"""Control arms from rig to unblinding: only what the device puts out differs between them."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
import pyxdf

from bci_core.clock import VirtualClock
from bci_core.config.load import load_rig
from bci_core.config.rig import Part, Rig
from bci_core.control.allocation import Allocation
from bci_core.control.arms import ArmAssigner, Assigned
from bci_core.control.arms_settings import ArmsSettings
from bci_core.errors import ConfigError, InputError, RunError, SessionError
from bci_core.events import Delivery, Outcome
from bci_core.record import keepers
from bci_core.record.keepers import Passphrase
from bci_core.record.ledger import read_ledger, verify_ledger
from bci_core.record.revealed import read_rows
from bci_core.record.xdf import read_session_xdf
from bci_core.report.evidence import read_evidence
from bci_core.report.summary import summary_of
from bci_core.session import arms as session_arms
from bci_core.session import build, simulate
from bci_core.session.folder import SessionFolder
from bci_core.session.replay import replay_session
from bci_core.session.simulate import play_session
from bci_core.session.unblind import unblind_session
from drivers.amplifiers.sine import SineSettings

KEEPERS = (Passphrase("first", "one"), Passphrase("second", "two"))
ALL_ARMS: dict[str, Any] = {
    "active": {"count": 2},
    "sham": {"count": 2},
    "delayed": {"delay_s": (0.08, 0.2)},
    "jittered": {"jitter_s": 0.1},
    "phase_shuffled": {},
    "catch": {},
}
BLIND: dict[str, Any] = {"active": {}, "sham": {}, "blind": True}
SEEDS = ("a5" * 32, "5a" * 32)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepers, "SCRYPT_N", 2**4)
    monkeypatch.setattr(simulate, "finish", lambda _folder, _progress: {})


class Screen:
    """What the operator was shown."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def say(self, text: str) -> None:
        self.told.append(text)

    def show(self, state: Mapping[str, Any]) -> None:
        self.told.append(dict(state))


@dataclass
class Ran:
    folder: SessionFolder
    screen: Screen
    put_out: list[Delivery]

    def rows(self) -> list[Any]:
        return read_rows(self.folder.ledger)

    def data(self, event: str) -> list[dict[str, Any]]:
        return [row.data for row in self.rows() if row.event == event]

    def emissions(self) -> list[tuple[float, int, float]]:
        """What left the device: onset, pulses, charge."""
        real = [d for d in self.put_out if d.n_pulses]
        return [(d.onset_s, d.n_pulses, d.charge_uc) for d in real]


def rig_with(arms: Mapping[str, Any] | None, **policy: Any) -> Rig:
    rig = load_rig("theta-phase")
    channels = SineSettings(frequency_hz=5.0, channels=("Fz",))
    return replace(
        rig,
        amplifier=Part("sine", channels),
        policy=rig.policy.model_copy(update={"refractory_s": 0.45} | policy),
        arms=None if arms is None else ArmsSettings.model_validate(arms),
    )


def ran(rig: Rig, out: Path, patch: pytest.MonkeyPatch, duration_s: float = 8.0) -> Ran:
    put_out: list[Delivery] = []
    make = build.stimulator

    def stimulator(rig: Rig) -> Any:
        device = make(rig)
        advance = device.advance

        def watched(now_s: float) -> Any:
            ended = list(advance(now_s))
            put_out.extend(ended)
            return ended

        device.advance = watched  # type: ignore[method-assign]
        return device

    patch.setattr(build, "stimulator", stimulator)
    screen = Screen()
    given = KEEPERS if rig.arms is not None and rig.arms.blind else ()
    folder, _ = play_session(rig, "test", out, screen, duration_s, given)
    patch.setattr(build, "stimulator", make)
    return Ran(folder, screen, put_out)


def operators_view(session: Ran) -> dict[str, Any]:
    """Everything a blind session shows, without the hashes and the wall clock."""
    rows = []
    for row in read_ledger(session.folder.ledger):
        hidden = ("sealed", "commitment", "seal_sha256")
        data = {key: value for key, value in row.data.items() if key not in hidden}
        rows.append(json.dumps([row.seq, row.lsl_s, row.actor, row.event, data], sort_keys=True))
    recording = read_session_xdf(session.folder.xdf)
    told = [t for t in session.screen.told if not str(t).startswith("arms committed")]
    return {
        "rows": rows,
        "screen": json.dumps(told),
        "samples": recording.samples.tobytes(),
        "markers": [(m.when_s, m.text) for m in recording.markers],
        "stream": {label: column.tobytes() for label, column in recording.loop.items()},
        "mask": (recording.mask_s.tobytes(), {k: v.tobytes() for k, v in recording.mask.items()}),
        "sealed bytes": session.folder.sealed.stat().st_size,
    }


@pytest.fixture(scope="module")
def blind(tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    """The same samples and design, and orders that differ."""
    sessions = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keepers, "SCRYPT_N", 2**4)
        patch.setattr(simulate, "finish", lambda _folder, _progress: {})
        for seed in SEEDS:
            rig = rig_with(ALL_ARMS | {"blind": True, "secret_seed": seed})
            sessions.append(ran(rig, tmp_path_factory.mktemp("blind"), patch))
    return sessions


def copied(session: Ran, tmp_path: Path) -> SessionFolder:
    shutil.copytree(session.folder.path, tmp_path / "copy")
    return SessionFolder.open(tmp_path / "copy")


def test_blind_sessions_show_the_same_to_the_byte_and_put_out_something_else(
    blind: list[Ran],
) -> None:
    one, other = (operators_view(session) for session in blind)
    assert one == other
    assert blind[0].emissions() != blind[1].emissions()
    assert len(blind[0].put_out) == len(blind[1].put_out) >= 10


def test_active_and_sham_show_the_same_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of orders that begin with either."""
    counts = {"active": 1, "sham": 1}
    seeds = {Allocation(bytes([i] * 32), counts).arm_of(0): f"{i:02x}" * 32 for i in range(20)}
    made = [
        ran(rig_with(BLIND | {"secret_seed": seeds[arm]}), tmp_path / arm, monkeypatch, 3.0)
        for arm in ("active", "sham")
    ]
    assert [session.put_out[0].outcome for session in made] == ["delivered", "sham"]
    assert operators_view(made[0]) == operators_view(made[1])


def test_nothing_in_the_folder_tells_the_arm(blind: list[Ran]) -> None:
    folder = blind[0].folder
    for path in folder.path.rglob("*"):
        if path.is_file() and path != folder.rig:
            text = path.read_bytes()
            assert SEEDS[0].encode() not in text, path
    assert SEEDS[0] not in folder.rig.read_text()
    told = [row.data for row in read_ledger(folder.ledger) if row.event == "outcome"]
    assert {row["outcome"] for row in told} == {"done"}
    assert {row["onset_s"] for row in told} == {row["charge_uc"] for row in told} == {None}
    streams, _ = pyxdf.load_xdf(folder.xdf, synchronize_clocks=False, dejitter_timestamps=False)
    lengths = {stream["info"]["name"][0]: len(stream["time_series"]) for stream in streams}
    assert lengths["theta-phase-current"] == 0 < lengths["theta-phase-loop"]
    first, second = (row.event for row in read_ledger(folder.ledger)[:2])
    assert (first, second) == ("session.start", "arms.committed")
    assert any("its seed is in the rig" in str(t) for t in blind[0].screen.told)


def test_a_blind_report_has_what_every_arm_has_in_common(blind: list[Ran]) -> None:
    summary = summary_of(read_evidence(blind[0].folder))
    assert (summary["delivered"], summary["sham"], summary["charge_uc"]) == (None, None, None)
    assert summary["done"] == summary["triggers"] >= 10
    assert summary["arms"]["per_arm"] is None
    assert summary["latency_ms"]["received_to_accepted"]["n"] == summary["triggers"]
    assert summary["latency_ms"]["onset_error"]["n"] == summary["contradictions"] == 0
    assert summary["faults"] == []


def test_a_blind_session_is_replayed_before_and_after_it_is_opened(
    blind: list[Ran], tmp_path: Path
) -> None:
    folder = copied(blind[0], tmp_path)
    before = replay_session(folder)
    assert before.identical
    assert before.decisions > 30
    unblind_session(folder, KEEPERS, VirtualClock(2.0))
    after = replay_session(folder)
    assert after.identical
    assert after.decisions == before.decisions


def test_opening_shows_every_trial_and_what_the_device_did(
    blind: list[Ran], tmp_path: Path
) -> None:
    folder = copied(blind[0], tmp_path)
    found = unblind_session(folder, KEEPERS, VirtualClock(2.0), "ann")
    assert (found.by, found.unlogged) == (("first", "second"), 0)
    assert set(found.trials) == set(ALL_ARMS)
    assert verify_ledger(folder.ledger).closed
    last = read_ledger(folder.ledger)[-1]
    assert (last.event, last.actor, last.data["trials"]) == ("unblinded", "ann", found.trials)
    whole = Ran(folder, blind[0].screen, blind[0].put_out)
    outcomes = {o["seq"]: o for o in whole.data("outcome")}
    real = [o for o in outcomes.values() if o["n_pulses"]]
    amounts = [(o["onset_s"], o["n_pulses"], o["charge_uc"]) for o in real]
    assert amounts == whole.emissions()
    trials = [d for d in whole.data("decision") if d.get("trial") is not None]
    for trial in trials:
        assert trial["refusal"] is None
        late_s = outcomes[trial["seq"]]["onset_s"] - trial["target_s"]
        assert late_s == pytest.approx(trial["delay_s"], abs=1e-4)
        outcome = outcomes[trial["seq"]]
        assert (outcome["outcome"] == "sham") == (trial["arm"] in ("sham", "catch"))
        stamps = [
            outcome[f"{s}_s"] for s in ("received", "detected", "decided", "sent", "accepted")
        ]
        assert stamps == [trial["now_s"]] * 5, "latency is kept book of in the same way"
    per_arm = summary_of(read_evidence(folder))["arms"]["per_arm"]
    assert {arm["arm"]: arm["trials"] for arm in per_arm} == found.trials
    by_name = {arm["arm"]: arm for arm in per_arm}
    assert by_name["active"]["delivered"] == found.trials["active"]
    assert by_name["sham"]["charge_uc"] == 0.0 < by_name["delayed"]["charge_uc"]
    assert abs(by_name["active"]["phase_error_deg"]) < 2.0
    assert by_name["delayed"]["onset_error_ms"]["p50"] < 0.1


def test_one_key_opens_nothing_and_leaves_no_trace(blind: list[Ran], tmp_path: Path) -> None:
    folder = copied(blind[0], tmp_path)
    before = folder.ledger.read_bytes()
    for openers in (KEEPERS[:1], (KEEPERS[0], Passphrase("second", "one"))):
        with pytest.raises(SessionError, match="second"):
            unblind_session(folder, openers, VirtualClock(2.0))
    assert folder.ledger.read_bytes() == before


def test_a_session_is_opened_once(blind: list[Ran], tmp_path: Path) -> None:
    folder = copied(blind[0], tmp_path)
    unblind_session(folder, KEEPERS, VirtualClock(2.0))
    with pytest.raises(SessionError, match="is unblinded already"):
        unblind_session(folder, KEEPERS, VirtualClock(3.0))


def test_a_sealed_row_that_was_altered_stops_the_opening(blind: list[Ran], tmp_path: Path) -> None:
    folder = copied(blind[0], tmp_path)
    lines = folder.sealed.read_bytes().splitlines(keepends=True)
    lines[5] = lines[5].replace(b"A", b"B", 1)
    folder.sealed.write_bytes(b"".join(lines))
    with pytest.raises(SessionError, match="is missing or was altered"):
        unblind_session(folder, KEEPERS, VirtualClock(2.0))
    # The seals of another session, opened by the same people.
    shutil.copy(blind[1].folder.sealed, folder.sealed)
    with pytest.raises(SessionError, match="its first line is not the one"):
        unblind_session(folder, KEEPERS, VirtualClock(2.0))


def test_another_seed_than_was_committed_to_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(session_arms, "commitment", lambda *_: "0" * 64)
        session = ran(rig_with(BLIND), tmp_path, patch, 1.5)
    with pytest.raises(SessionError, match="not those it committed to"):
        unblind_session(session.folder, KEEPERS, VirtualClock(2.0))


def test_a_trial_that_did_not_follow_its_allotment_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sham(self: ArmAssigner, _target_s: float) -> Assigned:
        self._trial += 1
        return Assigned(self._trial - 1, self._trial - 1, "sham", sham=True)

    with monkeypatch.context() as patch:
        patch.setattr(ArmAssigner, "assign_at", sham)
        session = ran(rig_with(BLIND), tmp_path, patch, 3.0)
    with pytest.raises(SessionError, match=r"trial \d+ was sham .*allotted was active"):
        unblind_session(session.folder, KEEPERS, VirtualClock(2.0))


def test_a_design_that_was_changed_afterwards_is_told(blind: list[Ran], tmp_path: Path) -> None:
    folder = copied(blind[0], tmp_path)
    folder.rig.write_text(folder.rig.read_text().replace("jitter_s = 0.1", "jitter_s = 0.11"))
    with pytest.raises(SessionError, match="are not the design that was committed to"):
        unblind_session(folder, KEEPERS, VirtualClock(2.0))


def test_no_blind_session_without_its_keepers(tmp_path: Path) -> None:
    for given in ((), KEEPERS[:1], (KEEPERS[0], Passphrase("third", "x"))):
        with pytest.raises(InputError, match="needs the keys of its keepers, first and second"):
            play_session(rig_with(BLIND), "test", tmp_path, Screen(), 1.0, given)
    with pytest.raises(InputError, match="keepers are for a session with"):
        play_session(rig_with(None), "test", tmp_path, Screen(), 1.0, KEEPERS)
    assert list(tmp_path.iterdir()) == []


def test_an_open_session_keeps_its_seed_in_a_file_that_its_hash_vouches_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = {"active": {"p_stim": 0.5}, "delayed": {"delay_s": 0.1}}
    session = ran(rig_with(arms), tmp_path, monkeypatch, 6.0)
    folder = session.folder
    assert folder.allocation.stat().st_mode & 0o077 == 0
    assert replay_session(folder).identical
    assert {d["arm"] for d in session.data("decision") if "arm" in d} == {"active", "delayed"}
    summary = summary_of(read_evidence(folder))
    assert [a["arm"] for a in summary["arms"]["per_arm"]] == ["active", "delayed"]
    assert summary["done"] is None
    assert summary["delivered"] > 0
    with pytest.raises(SessionError, match="was not blind"):
        unblind_session(folder, KEEPERS, VirtualClock(2.0))
    folder.allocation.write_text(json.dumps({"secret_seed": "ff" * 32}))
    with pytest.raises(SessionError, match="not those it committed to"):
        replay_session(folder)
    folder.allocation.unlink()
    with pytest.raises(SessionError, match="no seed that can be read"):
        replay_session(folder)


def test_a_yoked_session_has_the_times_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ran(rig_with({"active": {}}, refractory_s=0.9), tmp_path / "a", monkeypatch, 6.0)
    sha256 = hashlib.sha256(other.folder.ledger.read_bytes()).hexdigest()
    yoked = {"session": str(other.folder.path), "sha256": sha256, "within_s": 0.3}
    mine = ran(rig_with({"yoked": yoked}, refractory_s=0.6), tmp_path / "b", monkeypatch, 6.0)
    theirs = [onset_s for onset_s, _, _ in other.emissions()]
    ours = [onset_s for onset_s, _, _ in mine.emissions()]
    assert 3 <= len(ours) <= len(theirs)
    for onset_s in ours:
        assert min(abs(onset_s - each) for each in theirs) < 1e-4
    assert len(ours) < len(mine.put_out), "the trials that meet none of them are sham"
    assert replay_session(mine.folder).identical
    wrong = yoked | {"sha256": "0" * 64}
    with pytest.raises(ConfigError, match=r"arms\.yoked\.session: .*not the 0000"):
        build.check(rig_with({"yoked": wrong}, refractory_s=0.6), "rig", VirtualClock())


def test_the_times_of_a_blind_session_are_not_to_be_had(blind: list[Ran]) -> None:
    sha256 = hashlib.sha256(blind[0].folder.ledger.read_bytes()).hexdigest()
    with pytest.raises(SessionError, match="was it blind, and not unblinded yet"):
        session_arms.pulses_of(blind[0].folder.path, sha256)


def problems(rig: Rig) -> str:
    with pytest.raises(ConfigError) as wrong:
        build.check(rig, "rig", VirtualClock())
    return str(wrong.value)


def test_a_rig_whose_gate_would_tell_the_arms_apart_is_refused() -> None:
    arms = {"active": {}, "delayed": {"delay_s": 3.0}}
    told = problems(rig_with(arms))
    assert "policy.refractory_s: 0.45 seconds; with arms up to 3 s apart" in told
    told = problems(rig_with({"delayed": {"delay_s": 30.0}}))
    assert "safety.ahead_s" in told
    assert "policy.refractory_s" not in told, "one delay for all brings none closer together"
    build.check(rig_with({"active": {}, "sham": {}}, refractory_s=0.1), "rig", VirtualClock())
    build.check(rig_with(ALL_ARMS), "rig", VirtualClock())


def test_a_cycle_to_shuffle_over_has_to_be_known() -> None:
    rig = rig_with({"phase_shuffled": {}})
    assert session_arms.design_of(rig).latest_s == pytest.approx(1 / 6)  # type: ignore[union-attr]
    deaf = replace(rig, detector=Part("spikes", object()))
    with pytest.raises(ConfigError, match=r"arms\.phase_shuffled\.frequency_hz: missing"):
        session_arms.design_of(deaf)
    assert "frequency_hz" in str(session_arms.arms_problems(deaf, (), None))  # type: ignore[arg-type]


def test_a_live_loop_does_not_begin_without_its_seed() -> None:
    from bci_core.session.live_loop import LiveLoop

    with pytest.raises(RunError, match="given no seed"):
        LiveLoop(rig_with(BLIND), *[None] * 6)  # type: ignore[arg-type]


def test_a_session_that_was_killed_is_opened_as_far_as_its_ledger_goes(
    blind: list[Ran], tmp_path: Path
) -> None:
    folder = copied(blind[0], tmp_path)
    lines = folder.ledger.read_bytes().splitlines(keepends=True)
    folder.ledger.write_bytes(b"".join(lines[: len(lines) // 2]))
    found = unblind_session(folder, KEEPERS, VirtualClock(2.0))
    assert found.unlogged > 5
    assert 3 < sum(found.trials.values()) < len(blind[0].put_out)
    assert not verify_ledger(folder.ledger).closed
    assert replay_session(folder).identical


def test_held_back_ends_are_told_when_the_session_ends(blind: list[Ran]) -> None:
    rows = read_ledger(blind[0].folder.ledger)
    triggers = {r.data["seq"] for r in rows if r.event == "decision" and r.data["seq"]}
    assert {r.data["seq"] for r in rows if r.event == "outcome"} == triggers
    late = [r.lsl_s for r in rows if r.event == "outcome"]
    sent = [r.data["sent_s"] for r in rows if r.event == "outcome"]
    assert min(b - a for a, b in zip(sent[:-1], late[:-1], strict=True)) > 0.2
    assert Outcome.DELIVERED not in {r.data.get("outcome") for r in rows}
    assert max(late) < inf
