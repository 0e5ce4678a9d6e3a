"""The reader of the edges' trace: by call, by time, whatever state the files are in."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ucplatform.calls.trace import read_trace


class Segment:
    """Writes one pair of files as an edge does."""

    def __init__(self, directory: Path, begin: int, edge: str = "1") -> None:
        self.data = directory / f"{begin}-{edge}.seg"
        self.index = directory / f"{begin}-{edge}.idx"
        self.index.touch()
        self.data.touch()

    def add(self, call: str, t: float, **entry: object) -> None:
        line = json.dumps({"t": t, "call": call, "kind": "event", **entry}).encode() + b"\n"
        with self.data.open("ab") as data, self.index.open("ab") as index:
            index.write(f"{call} {data.tell()} {len(line)}\n".encode())
            data.write(line)


def times(directory: Path, call: str, **limits: float) -> list[float]:
    return [entry["t"] for entry in read_trace(directory, call, **limits)]


def test_one_call_out_of_many_over_segments_and_edges(tmp_path):
    one, two, other = Segment(tmp_path, 100), Segment(tmp_path, 700), Segment(tmp_path, 650, edge="2")
    one.add("c-1", 101.5)
    one.add("c-10", 102)
    two.add("c-1", 703, event="dtmf", detail={"digit": "5"})
    other.add("c-1", 660)
    assert times(tmp_path, "c-1") == [101.5, 660, 703]
    assert read_trace(tmp_path, "c-1")[2]["detail"] == {"digit": "5"}
    assert times(tmp_path, "c") == []


def test_text_of_any_kind(tmp_path):
    Segment(tmp_path, 100).add("c-1", 1, text="INVITE sip:ünïcode@x SIP/2.0\r\n\ufffd\u2028")
    assert read_trace(tmp_path, "c-1")[0]["text"] == "INVITE sip:ünïcode@x SIP/2.0\r\n\ufffd\u2028"


def test_segments_of_other_hours_are_not_read(tmp_path):
    for begin in (1000, 5000, 9000):
        Segment(tmp_path, begin).add("c-1", begin + 1)
    assert times(tmp_path, "c-1", since=5200, until=5300) == [5001]
    assert times(tmp_path, "c-1", since=5010, until=5020) == [1001, 5001]  # clocks may differ by two minutes


def test_no_directory_and_no_call(tmp_path):
    assert read_trace(tmp_path / "nowhere", "c-1") == []
    assert read_trace(tmp_path, "") == []


@pytest.mark.parametrize("call", ["../../etc/passwd", "c-1 0 5", "c-1\n"])
def test_an_id_is_only_compared(tmp_path, call):
    Segment(tmp_path, 100).add("c-1", 1)
    assert read_trace(tmp_path, call) == []


def test_torn_lines_and_dropped_segments(tmp_path):
    segment = Segment(tmp_path, 100)
    segment.add("c-1", 1)
    with segment.index.open("ab") as index:
        index.write(b"c-1 999999 50\nc-1 x y\nc-1 0 3\nc-1 0 99999999999\nc-1 12")
    gone = Segment(tmp_path, 200)
    gone.add("c-1", 2)
    gone.data.unlink()
    (tmp_path / "notes.idx").write_text("c-1 0 10\n")
    assert times(tmp_path, "c-1") == [1]


def test_an_endless_call_is_cut(tmp_path):
    segment = Segment(tmp_path, 100)
    for n in range(2100):
        segment.add("c-1", n)
    assert len(read_trace(tmp_path, "c-1")) == 2000


@settings(max_examples=40, deadline=None)
@given(index=st.binary(max_size=200), data=st.binary(max_size=200))
def test_any_octets_in_the_files(tmp_path_factory, index, data):
    directory = tmp_path_factory.mktemp("trace")
    (directory / "100-1.idx").write_bytes(b"c-1 0 5\n" + index)
    (directory / "100-1.seg").write_bytes(data)
    assert isinstance(read_trace(directory, "c-1"), list)
