"""Reading what the engine wrote down."""

from __future__ import annotations

import json
from pathlib import Path

from openai_connector.tools.demo.records import Records


def _line(position: int, kind: str = "EVENT") -> bytes:
    record = {
        "position": position,
        "recordType": kind,
        "valueType": "JOB",
        "intent": "CREATED",
        "value": {"é": 1},
    }
    return b"12:00:00.000 INFO  i.records - " + json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _positions(records: Records) -> list[int]:
    return [record["position"] for record in records.find("JOB", "CREATED")]


def test_a_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    """Events are found as they come, commands are none, and half a line waits for its other half."""
    log = tmp_path / "engine.log"
    whole = _line(2)
    log.write_bytes(b"starting\n" + _line(1) + _line(9, "COMMAND") + whole[:60])
    records = Records(log)
    assert _positions(records) == [1]
    with log.open("ab") as file:
        file.write(whole[60:])
    assert _positions(records) == [1, 2]


def test_a_line_cut_off_by_a_kill_is_left_out(tmp_path: Path) -> None:
    """A killed engine leaves half a record, which the next start's first words follow.

    All others are found.
    """
    log = tmp_path / "engine.log"
    cut = _line(2)
    for length in range(len(cut)):
        log.write_bytes(_line(1) + cut[:length] + b"The engine listens at 127.0.0.1:26500\n" + cut + _line(3))
        assert _positions(Records(log)) == [1, 2, 3]
