import logging
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from markupsafe import Markup

from bci_core.errors import SessionError
from bci_core.report import html
from bci_core.report.html import write_report
from bci_core.report.summary import write_summary

Fakes = Callable[..., Any]
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Text and elements of a report; fails on tags that do not match."""

    def __init__(self, files: Any) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(files.report.read_text("utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.text += " ".join(data.split()) + " "

    def n_figures(self) -> int:
        return sum(name == "data-root-id" for name, _ in self.attributes)


def report(files: Any) -> Page:
    write_report(files, write_summary(files))
    return Page(files)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory, fakes: Any) -> Page:
    """The report of a session in which nothing is special."""
    return report(fakes(tmp_path_factory.mktemp("ordinary"))(duration_s=5.0))


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that only read: drawing takes most of the time."""
    monkeypatch.setattr(html, "_figures", lambda *_: (Markup(), {}))
    monkeypatch.setattr(html, "audit_pictures", lambda *_: {})


def test_a_session_with_everything(fake: Fakes, caplog: pytest.LogCaptureFixture) -> None:
    page = report(fake(duration_s=20.0, sham_fraction=0.3))
    for words in (
        "SIMULATED", "Completed", "ran for 20 s", "received → accepted", "fault: amplifier: gap",
        "samples lost: 3", "mean phase error", "one sine fitted", "charge per phase",
        "lockout", "OVERRIDE", "this machine only", "f2079629cd924fe90a58c6468603efed7c4a13a2",
        "KiB a minute", "disarmed", "stale", "sham",
    ):  # fmt: skip
        assert words in page.text
    assert page.n_figures() == 8 + 6  # and pictures of the first six that were missed
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.usefixtures("without_pictures")
def test_the_tables_need_no_javascript(fake: Fakes) -> None:
    files = fake(duration_s=10.0)
    summary = write_summary(files)
    page = report(files)
    for stage in summary["latency_ms"].values():
        assert f"{stage['p99']:.3f}" in page.text
    for reason, count in summary["refused"].items():
        assert reason in page.text
        assert f"{count} " in page.text
    assert summary["ledger"]["head"] in page.text


def test_the_page_needs_no_network(ordinary: Page) -> None:
    fetched = [value for name, value in ordinary.attributes if name in ("src", "href", "srcset")]
    assert fetched == []
    assert "link" not in ordinary.tags


@pytest.mark.usefixtures("without_pictures")
def test_summary_is_made_again_when_it_is_not_given(fake: Fakes) -> None:
    files = fake(duration_s=5.0)
    write_report(files)
    assert "Completed" in Page(files).text


def test_what_comes_from_files_is_never_markup(fake: Fakes, ordinary: Page) -> None:
    attack = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`${}{{ 1 }}"
    page = report(fake(duration_s=5.0, words=attack, channel=f"Fz{attack}"))
    assert page.tags == ordinary.tags
    assert page.text.count(attack) >= 4
    assert not any(name.startswith("on") for name, _ in page.attributes)


def test_a_label_with_dollar_signs_is_not_sent_to_mathjax(fake: Fakes) -> None:
    files = fake(duration_s=5.0, channel="$$x$$")
    write_report(files)
    text = files.report.read_text("utf-8")
    assert "PlainText" in text
    assert '"axis_label":"$$x$$' not in text


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ends": False}, "the ledger was not closed"),
        ({"status": "failed"}, "Failed"),
        ({"status": "stopped"}, "Stopped"),
        ({"budget": {"received_to_accepted_p99_ms": 0.01}}, "over budget"),
        ({"skip_cycles": (12,)}, "cycles without a detection: 1"),
        ({"noise_uv": 40.0}, "zero-phase band-pass"),
    ],
)
def test_what_a_reader_must_not_overlook(fake: Fakes, settings: dict[str, Any], words: str) -> None:
    assert words in report(fake(duration_s=5.0, **settings)).text


def test_no_event_is_left_out(ordinary: Page) -> None:
    assert "device_armed" in ordinary.text
    assert "arm.intent" in ordinary.text


@pytest.mark.usefixtures("without_pictures")
def test_all_is_well_is_said_only_when_it_is(fake: Fakes, ordinary: Page) -> None:
    well = report(fake(duration_s=5.0, trouble=False))
    assert ("class", "verdict good") in well.attributes
    assert ("class", "verdict warn") in ordinary.attributes
    failed = report(fake(duration_s=5.0, trouble=False, status="failed"))
    assert ("class", "verdict bad") in failed.attributes


def test_a_rig_that_aims_at_no_phase_has_no_rose(fake: Fakes) -> None:
    page = report(fake(duration_s=5.0, target_deg=None))
    assert "Phase of the pulses" not in page.text
    assert page.n_figures() == 6 + 6  # and pictures of the first six that were invented


def test_a_session_that_never_began(fake: Fakes, caplog: pytest.LogCaptureFixture) -> None:
    files = fake(duration_s=3.0)
    for path in (files.xdf, files.rig, files.provenance):
        path.unlink()
    files.ledger.write_bytes(b"")
    page = report(files)
    assert "Incomplete" in page.text
    assert "NOT STATED WHETHER SIMULATED" in page.text
    assert "there is no recording" in page.text
    assert page.n_figures() == 0
    assert caplog.records == []


@pytest.mark.usefixtures("without_pictures")
def test_a_report_that_cannot_be_written(fake: Fakes) -> None:
    files = fake(duration_s=3.0)
    files.report.mkdir()
    with pytest.raises(SessionError, match=r"report\.html: cannot be written"):
        write_report(files)
