"""Marks from tables, annotations and archives; and files that do not match."""

from pathlib import Path

import edfio
import numpy as np
import pytest

from bci_core.errors import InputError
from bci_core.record.marks import Mark, read_marks

TWO = (Mark(1.5, 0.5), Mark(4.0, 1.0))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "onset_s,duration_s\n1.5,0.5\n4,1\n",
        "start,end\n1.5,2.0\n4,5\n",
        "Start;End\n4;5\n1.5;2\n",
        "onset\tduration\n1.5\t0.5\n4.0\t1.0",
        "onset (s),Duration [s]\n1.5,0.5\n4,1\n",
        "onset_ms,duration_ms\n1500,500\n4000,1000\n",
        "start_time,stop_time,peak_time\n1.5,2,1.7\n4,5,4.5\n",
        "# by an expert\n\nonset_s,duration_s\n1.5,0.5\n\n4,1,,\n",
        "\ufeffonset_s,duration_s\r\n1.5,0.5\r\n4,1\r\n",
        "begin,end,duration\n1.5,9,0.5\n4,9,1\n",
    ],
)
def test_names_of_columns(tmp_path: Path, text: str) -> None:
    assert read_marks(write(tmp_path / "m.csv", text)) == TWO


def test_bids_events(tmp_path: Path) -> None:
    text = (
        "onset\tduration\tsample\ttrial_type\tchannel\n"
        "1.5\t0.5\t300\tspindle\tCz\n2\tn/a\t400\tkomplex\tn/a\n4\t1\t800\tspindle\tFz\n"
    )
    path = write(tmp_path / "sub-01_events.tsv", text)
    assert read_marks(path) == (
        Mark(1.5, 0.5, "spindle", "Cz"),
        Mark(2.0, 0.0, "komplex", ""),
        Mark(4.0, 1.0, "spindle", "Fz"),
    )
    assert read_marks(path, kinds=["spindle"]) == (
        Mark(1.5, 0.5, "spindle", "Cz"),
        Mark(4.0, 1.0, "spindle", "Fz"),
    )
    with pytest.raises(InputError, match=r"no mark of type ripple; it has spindle \(2\), kom"):
        read_marks(path, kinds=["ripple"])


@pytest.mark.parametrize("text", ["onset\n3\n1\n", "3\n1\n", "3\n1", "time_s\n1\n3"])
def test_a_single_column_of_onsets(tmp_path: Path, text: str) -> None:
    assert read_marks(write(tmp_path / "m.txt", text)) == (Mark(1.0), Mark(3.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: holds no marks"),
        ("\n# only a remark\n", "line 1: holds no marks"),
        ("onset_s,duration_s\n", "line 1: holds no marks"),
        ("onset_s,duration_s\n1,2\n3,x\n", "line 3: duration 'x' is not a number"),
        ("onset_s,duration_s\n,2\n", "line 2: onset '' is not a number"),
        ("onset_s,duration_s\n1,2\n# no\n3,-1\n", "line 4: a duration of -1 s"),
        ("onset_s,duration_s\nnan,2\n", "line 2: onset nan s.*not finite"),
        ("onset_s,duration_s\n1,inf\n", "line 2: .*duration inf s: not finite"),
        ("onset_s,duration_s\n-3,1\n", "line 2: begins at -3 s, before the recording"),
        ("onset_s,duration_s\n1,1\n100,1\n", "line 3: lasts from 100 s to 101 s; .* ends at 10 s"),
        ("onset_s,duration_s\n9,2\n", "line 2: lasts from 9 s to 11 s"),
        ("start,end\n5,4\n", "line 2: ends at 4 s, before it begins at 5 s"),
        ("onset_s,duration_s\n1,2\n3\n", "line 3: 1 columns, the first line has 2"),
        ("onset_s,duration_s\n1,2,3\n", "line 2: 3 columns, the first line has 2"),
        ('onset_s,duration_s\n"1,2\n3,1\n', "line 2: 1 columns"),
        ("alpha,beta\n1,2\n", "line 1: no column of onsets among alpha, beta"),
        ("duration_s\n2\n", "line 1: no column of onsets"),
        ("1,2\n3,4\n", "line 1: 2 columns without names"),
    ],
)
def test_a_file_that_does_not_match_names_the_line(tmp_path: Path, text: str, words: str) -> None:
    path = write(tmp_path / "marks.csv", text)
    with pytest.raises(InputError, match=words) as told:
        read_marks(path, duration_s=10.0)
    assert str(path) in str(told.value)


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    lines = "\n".join(["onset_s", "x", "-1", "99"] + ["y"] * 30)
    with pytest.raises(InputError) as told:
        read_marks(write(tmp_path / "marks.csv", lines), duration_s=10.0)
    text = str(told.value)
    assert "33 mistakes" in text
    assert "line 2" in text
    assert "and 13 more" in text


def test_marks_that_were_not_asked_for_may_lie_outside(tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", "onset,duration,type\n1,1,spindle\n0,3600,stage\n")
    assert read_marks(path, duration_s=10.0, kinds=["spindle"]) == (Mark(1.0, 1.0, "spindle"),)
    with pytest.raises(InputError, match="line 3"):
        read_marks(path, duration_s=10.0)


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_annotations(tmp_path: Path, suffix: str) -> None:
    signal = edfio.EdfSignal if suffix == ".edf" else edfio.BdfSignal
    file = edfio.Edf if suffix == ".edf" else edfio.Bdf
    samples = np.random.default_rng(0).normal(0.0, 10.0, 1000)
    made = [signal(samples, 100, label="Cz", physical_dimension="uV")]
    notes = [
        edfio.EdfAnnotation(1.5, 0.5, "spindle"),
        edfio.EdfAnnotation(4.0, None, "K-complex"),
    ]
    path = tmp_path / f"night{suffix}"
    file(made, annotations=notes).write(path)  # type: ignore[arg-type] # a pair that fits
    assert read_marks(path, duration_s=10.0) == (
        Mark(1.5, 0.5, "spindle"),
        Mark(4.0, 0.0, "K-complex"),
    )
    with pytest.raises(InputError, match=r"annotation 2 \('K-complex'\): lasts from 4 s"):
        read_marks(path, duration_s=3.0)
    file(made).write(tmp_path / f"none{suffix}")
    with pytest.raises(InputError, match="no annotations"):
        read_marks(tmp_path / f"none{suffix}")


def test_annotations_that_stand_alone(tmp_path: Path) -> None:
    path = tmp_path / "hypnogram.edf"
    edfio.Edf([], annotations=[edfio.EdfAnnotation(30.0, 30.0, "Sleep stage 2")]).write(path)
    assert read_marks(path) == (Mark(30.0, 30.0, "Sleep stage 2"),)


def test_arrays_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "rec.npz"
    np.savez(
        path,
        data=np.zeros(10),
        ev_onset=[4.0, 1.5],
        ev_dur=[1.0, 0.5],
        ev_type=["ripple_AHR3-4", "fr_HL1-2"],
    )
    assert read_marks(path) == (Mark(1.5, 0.5, "fr", "HL1-2"), Mark(4.0, 1.0, "ripple", "AHR3-4"))
    assert len(read_marks(path, kinds=["ripple"])) == 1
    with pytest.raises(InputError, match="'ev_onset' row 0: lasts from 4 s to 5 s"):
        read_marks(path, duration_s=4.5)
    np.savez(path, spindles_expert=[[1.5, 2.0], [4.0, 5.0]])
    assert read_marks(path) == (
        Mark(1.5, 0.5, "spindles_expert"),
        Mark(4.0, 1.0, "spindles_expert"),
    )


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"data": np.zeros(3)}, "no marks: neither 'ev_onset'.* among data"),
        ({"ev_onset": [1.0, 2.0], "ev_dur": [1.0]}, "'ev_dur' ends after row 1"),
        ({"ev_onset": ["a"]}, "'ev_onset' holds <U1"),
        ({"spindles_x": [1.0, 2.0]}, r"'spindles_x' is \(2,\); it must be \(n, 2\)"),
        ({"spindles_x": [[2.0, 1.0]]}, "'spindles_x' row 0: a duration of -1 s"),
        ({"ev_onset": np.zeros(0)}, "holds no marks"),
    ],
)
def test_arrays_that_are_wrong(tmp_path: Path, arrays: dict[str, np.ndarray], words: str) -> None:
    np.savez(tmp_path / "rec.npz", **arrays)
    with pytest.raises(InputError, match=words):
        read_marks(tmp_path / "rec.npz")


def test_files_that_are_not_there_or_not_marks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_marks(tmp_path / "none.csv")
    with pytest.raises(InputError, match=r"marks end in \.bdf, \.csv"):
        read_marks(write(tmp_path / "m.docx", ""))
    for name in ("m.npz", "m.edf"):
        with pytest.raises(InputError, match=name):
            read_marks(write(tmp_path / name, "no archive"))
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as marks"):
        read_marks(tmp_path / "m.csv")


def test_marks_of_the_shared_recordings(shared_data: Path) -> None:
    ripples = read_marks(shared_data / "fedele_ieeg_hfo_5s.npz", kinds=["ripple"])
    assert len(ripples) == 60
    spindles = read_marks(shared_data / "yasa_n2_15s.npz", duration_s=15.0)
    assert [(m.onset_s, round(m.end_s, 3)) for m in spindles] == [(3.3, 4.06), (13.26, 13.84)]
