"""Writes session folders that look like real ones, with known figures."""

import json
import runpy
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from bci_core.clock import VirtualClock
from bci_core.record.ledger import Ledger

writer = runpy.run_path(str(Path(__file__).with_name("xdf_writer.py")))
Stream, write_xdf = writer["Stream"], writer["write_xdf"]

BEGAN_S = 5000.0
ARMED_S = BEGAN_S + 3.2
SINE_HZ = 5.0
RATE_HZ = 250.0


@dataclass(frozen=True)
class Files:
    """What `SessionFolder` offers, without the package's session layer."""

    path: Path

    rig = property(lambda self: self.path / "rig.toml")
    xdf = property(lambda self: self.path / "session.xdf")
    ledger = property(lambda self: self.path / "ledger.jsonl")
    summary = property(lambda self: self.path / "summary.json")
    report = property(lambda self: self.path / "report.html")
    provenance = property(lambda self: self.path / "provenance.json")


@dataclass
class Fake:
    """One session to be made up.

    `error_deg` and `spread_deg` are of the pulses' phase around the target; each
    stage takes `stage_ms` at the median with a lognormal tail.
    """

    duration_s: float = 30.0
    seed: int = 1
    name: str = "theta-phase"
    channel: str = "Fz"
    target_deg: float | None = 180.0
    error_deg: float = 1.5
    spread_deg: float = 2.0
    noise_uv: float = 2.0
    amplitude_uv: float = 14.0
    sham_fraction: float = 0.0
    stage_ms: tuple[float, ...] = (0.35, 0.02, 0.03, 0.05, 0.16)
    tail: float = 0.25
    skip_cycles: tuple[int, ...] = ()
    trouble: bool = True
    ends: bool = True
    status: str = "completed"
    budget: dict[str, float] = field(
        default_factory=lambda: {
            "received_to_accepted_p50_ms": 0.5,
            "received_to_accepted_p99_ms": 2.0,
        }
    )
    words: str = ""

    def write(self, folder: Path) -> Files:
        folder.mkdir(parents=True, exist_ok=True)
        files = Files(folder)
        self.random = np.random.default_rng(self.seed)
        self.rows: list[tuple[float, str, str, dict[str, Any]]] = []
        self.markers: list[tuple[float, str]] = []
        self._frame()
        self._loop()
        self._write_ledger(files)
        self._write_recording(files)
        self._write_rig(files)
        files.provenance.write_text(json.dumps(PROVENANCE), encoding="utf-8")
        return files

    @property
    def ended_s(self) -> float:
        return ARMED_S + self.duration_s

    def log(self, when_s: float, event: str, actor: str, /, **data: Any) -> None:
        self.rows.append((when_s, event, actor, data))

    def _frame(self) -> None:
        privacy = {
            "discovery": "this machine only",
            "data ports": "plaintext, listening on every interface; close them with a firewall",
            "commands": "CURVE keys made for this session; an unknown key is refused",
        }
        self.log(
            BEGAN_S,
            "session.start",
            "supervisor",
            name=self.name,
            description=f"Simulated: a pulse at each trough {self.words}",
            subject="simulated",
            rig_sha256="5d" * 32,
            privacy=privacy,
            simulated=True,
        )
        uses = [
            ("amplitude", 20.0, 100.0, "uA"),
            ("charge_per_phase", 0.004, 0.004, "uC"),
            ("net_charge", 0.0, 0.01, "of the first phase"),
            ("pulse_rate", 100.0, 300.0, "Hz"),
            ("shannon_k", -0.097, 1.5, "log10(uC^2/cm2)"),
            ("charge_per_hour", 0.004, 240.0, "uC"),
        ]
        keys = ("limit", "value", "bound", "unit")
        self.log(
            BEGAN_S,
            "limit.worst_case",
            "supervisor",
            uses=[dict(zip(keys, use, strict=True)) | {"where": "program 1"} for use in uses],
        )
        if self.trouble:
            self.log(
                BEGAN_S,
                "safety.override",
                "supervisor",
                overrides=[
                    {
                        "limit": "lockout",
                        "value": 0.05,
                        "default": 0.1,
                        "unit": "s",
                        "reason": "bench" + self.words,
                        "by": "PI",
                    }
                ],
            )
        self.log(
            BEGAN_S + 3.0,
            "loop.ready",
            "loop",
            stream={"name": self.name, "rate_hz": RATE_HZ, "channels": [self.channel, "Cz"]},
            lead_s=0.012,
            first_sample_s=BEGAN_S + 2.0,
            clock_offset_s=0.0,
            round_trip_s={"p50": 0.0003, "p99": 0.0007},
        )
        self.log(ARMED_S - 0.01, "arm.intent", "supervisor", lease_s=2.0)
        self.log(ARMED_S - 0.001, "device_armed", "stimulator")
        self.log(ARMED_S + 0.002, "armed", "loop", actor="operator", at_s=ARMED_S)
        rss = 182_000.0
        for when_s in np.arange(ARMED_S, self.ended_s, 2.0):
            rss += self.random.normal(0.5, 6.0)
            taken = {"loop": {"rss_kib": round(rss), "handles": 20, "threads": 4}}
            self.log(when_s, "health", "supervisor", lsl_s=when_s, processes=taken)
        if self.trouble:
            middle_s = ARMED_S + self.duration_s / 2
            self.log(middle_s, "disarmed", "loop", reason="stale")
            self.log(middle_s, "fault", "amplifier", node="amplifier", what=f"gap {self.words}")
            self.log(middle_s + 0.5, "armed", "loop", actor="operator", lease_s=2.0)
        self.log(self.ended_s, "disarmed", "loop", reason="session_end")
        self.log(
            self.ended_s + 0.01,
            "samples",
            "loop",
            samples=int((self.ended_s - BEGAN_S - 2.0) * RATE_HZ),
            lost=3 if self.trouble else 0,
            gaps=1 if self.trouble else 0,
            not_finite=0,
            flat=0,
            railed=0,
        )
        self.log(self.ended_s + 0.4, "node.exit", "supervisor", node="loop", status=0)
        if self.ends:
            self.log(
                self.ended_s + 0.5,
                "session.end",
                "supervisor",
                status=self.status,
                reason=f"ran for {self.duration_s:g} s",
                duration_s=self.duration_s,
                to_armed_s=3.2,
            )

    def _loop(self) -> None:
        """One detection a cycle; the sine has its peaks at whole multiples of the period."""
        aimed_deg = 180.0 if self.target_deg is None else self.target_deg
        first = int(np.ceil((BEGAN_S + 2.1) * SINE_HZ))
        seq = 0
        for number, cycle in enumerate(count(first)):
            target_s = (cycle + aimed_deg / 360.0) / SINE_HZ
            if target_s > self.ended_s - 0.03:
                break
            if number in self.skip_cycles:
                continue
            sample_s = round((target_s - 0.016) * RATE_HZ) / RATE_HZ
            seq = self._decide(target_s, sample_s, seq)

    def _decide(self, target_s: float, sample_s: float, seq: int) -> int:
        stamps = self._stamps(sample_s)
        told = {
            "sample_index": round((sample_s - BEGAN_S - 2.0) * RATE_HZ),
            "sample_s": sample_s,
            "target_s": target_s,
            "value": float(self.amplitude_uv + self.random.normal(0, 0.3)),
            "veto": "",
            "received_s": stamps["received_s"],
            "detected_s": stamps["detected_s"],
            "now_s": stamps["decided_s"],
            "disarmed": "",
            "verdict": "stim",
            "reason": "",
            "seq": 0,
            "refusal": None,
        }
        when_s = stamps["decided_s"]
        middle_s = ARMED_S + self.duration_s / 2
        if when_s < ARMED_S:
            told |= {"verdict": "refused", "reason": "disarmed", "disarmed": "resting"}
        elif self.trouble and middle_s < when_s < middle_s + 1.5:
            told |= {"verdict": "refused", "reason": "settling", "veto": "settling"}
        elif self.trouble and self.random.random() < 0.02:
            refusal = {"limit": "lockout", "value": 0.03, "bound": 0.05, "unit": "s", "where": "1"}
            told |= {"seq": seq + 1, "refusal": refusal}
            seq += 1
        else:
            seq += 1
            sham = bool(self.random.random() < self.sham_fraction)
            told |= {"seq": seq, "verdict": "sham" if sham else "stim"}
            self._outcome(seq, sham, target_s, stamps)
        self.log(when_s, "decision", "loop", **told)
        if told["verdict"] == "refused":
            self.markers.append((when_s, f"refused:{told['reason']}"))
        return seq

    def _stamps(self, sample_s: float) -> dict[str, float]:
        names = ("received_s", "detected_s", "decided_s", "sent_s", "accepted_s")
        took_ms = [ms * self.random.lognormal(0.0, self.tail) for ms in self.stage_ms]
        ends_s = sample_s + np.cumsum(took_ms) * 1e-3
        return {"sample_s": sample_s} | dict(zip(names, ends_s.tolist(), strict=True))

    def _outcome(self, seq: int, sham: bool, target_s: float, stamps: dict[str, float]) -> None:
        off_deg = self.error_deg + self.random.normal(0.0, self.spread_deg)
        onset_s = target_s + off_deg / 360.0 / SINE_HZ
        told: dict[str, Any] = {
            "seq": seq,
            "outcome": "sham" if sham else "delivered",
            "reason": "",
            "onset_s": onset_s,
            "offset_s": onset_s + 0.00046,
            "n_pulses": 0 if sham else 1,
            "charge_uc": 0.0 if sham else 0.004,
            "device_latency_s": 0.0,
        }
        if self.trouble and self.random.random() < 0.01:
            never = {"onset_s": None, "offset_s": None, "n_pulses": 0, "charge_uc": 0.0}
            told |= never | {"outcome": "refused", "reason": "rate: 12 Hz, limit 10 Hz (device)"}
        self.log(onset_s + 0.0015, "delivery", "stimulator", **told)
        self.log(onset_s + 0.002, "outcome", "loop", **(stamps | told))
        self.markers.append((onset_s, "sham" if sham else "stim"))

    def _write_ledger(self, files: Files) -> None:
        files.ledger.unlink(missing_ok=True)
        clock = VirtualClock(BEGAN_S)
        ledger = Ledger(files.ledger, clock)
        for when_s, event, actor, data in sorted(self.rows, key=lambda row: row[0]):
            clock.sleep_until(when_s)
            ledger.append(event, actor, data)
        ledger.close()

    def _write_recording(self, files: Files) -> None:
        times_s = np.arange(BEGAN_S + 1.0, self.ended_s + 0.3, 1.0 / RATE_HZ)
        if self.trouble:
            at = int(len(times_s) / 2)
            times_s = np.delete(times_s, slice(at, at + 3))
        sine = self.amplitude_uv * np.cos(2 * np.pi * SINE_HZ * times_s)
        noise = self.random.normal(0, self.noise_uv, (len(times_s), 2))
        rows = np.column_stack([sine, sine * 0.2]) + noise
        labels = [self.channel, "Cz"]
        streams = [
            Stream(self.name, "EEG", "float32", times_s, rows, labels, RATE_HZ),
            Stream(
                f"{self.name}-events",
                "Markers",
                "string",
                [when_s for when_s, _ in self.markers],
                [[text] for _, text in self.markers],
                ["marker"],
            ),
        ]
        write_xdf(files.xdf, streams)

    def _write_rig(self, files: Files) -> None:
        detector = {"kind": "phase" if self.target_deg is not None else "band_power"}
        detector |= {"channel": self.channel, "band_hz": [4.0, 8.0]}
        if self.target_deg is not None:
            detector |= {"target_deg": self.target_deg, "min_amplitude_uv": 4.0}
        sections = {"rig": {"name": self.name}, "detector": detector, "budget": self.budget}
        text = "\n".join(
            f"[{name}]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in section.items())
            for name, section in sections.items()
        )
        files.rig.write_text(text, encoding="utf-8")


PROVENANCE = {
    "versions": {"bci": "0.1.0", "python": "3.11.7", "liblsl": "1.18", "numpy": "2.4.6"},
    "source": {"commit": "f2079629cd924fe90a58c6468603efed7c4a13a2", "changed": False},
    "machine": {"platform": "Linux-6.1-x86_64", "cpu": "AMD EPYC", "cpus": 2, "memory_mib": 8000},
    "seeds": {"policy": 0},
    "parts": {"detector": {"name": "phase", "from": "bci 0.1.0"}},
}
