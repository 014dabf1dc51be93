"""Names in the spool: exactly one for each segment, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.identity import LIMIT
from storage import layout
from tests.builders_spool import CAMERA, STREAM, identity

SPOOL = Path("/hulta/spool")
RUN_AND_STREAM = f"0000000000001234/{STREAM}"


def test_a_segment_is_found_by_its_name() -> None:
    """Path and identity are the same fact, open and sealed."""
    segment = identity(17)
    opened, sealed = layout.open_path(SPOOL, segment), layout.sealed_path(SPOOL, segment)
    assert str(opened) == f"/hulta/spool/{RUN_AND_STREAM}/{CAMERA}.1.17.mp4.open"
    assert str(sealed) == f"/hulta/spool/{RUN_AND_STREAM}/{CAMERA}.1.17.mp4"
    assert layout.parse_segment_path(opened) == layout.SegmentName(identity=segment, sealed=False)
    assert layout.parse_segment_path(sealed) == layout.SegmentName(identity=segment, sealed=True)


def test_a_file_that_was_given_up_says_how_much_of_it_was_announced() -> None:
    """The same segment under a third name; the copy that recovery makes of it is no segment."""
    segment = identity(17)
    failed = layout.failed_path(layout.open_path(SPOOL, segment), 12)
    assert str(failed) == f"/hulta/spool/{RUN_AND_STREAM}/{CAMERA}.1.17.mp4.failed-12"
    assert layout.parse_segment_path(failed) == layout.SegmentName(
        identity=segment, sealed=False, announced=12, doubted=True
    )
    cut = layout.cut_path(layout.open_path(SPOOL, segment), 12)
    assert str(cut) == f"/hulta/spool/{RUN_AND_STREAM}/{CAMERA}.1.17.mp4.cut-12"
    assert layout.parse_segment_path(cut) == layout.SegmentName(identity=segment, sealed=False, announced=12)
    assert layout.sealed_beside(failed, segment) == layout.sealed_path(SPOOL, segment)
    copy = layout.copy_path(failed, segment)
    assert layout.is_copy(copy)
    assert not layout.is_copy(failed)
    assert not layout.is_copy(failed.with_name(f"{CAMERA}.1.17"))
    assert layout.parse_segment_path(copy) is None


def test_the_largest_numbers_have_names_too() -> None:
    """Everything an identity can hold is written and read back."""
    segment = identity(LIMIT - 1, run=LIMIT - 1, epoch=LIMIT - 1)
    parsed = layout.parse_segment_path(layout.sealed_path(SPOOL, segment))
    assert parsed == layout.SegmentName(identity=segment, sealed=True)


@pytest.mark.parametrize(
    "path",
    [
        f"{RUN_AND_STREAM}/{CAMERA}.1.017.mp4",
        f"{RUN_AND_STREAM}/{CAMERA}.01.17.mp4",
        f"{RUN_AND_STREAM}/{CAMERA}.1.-1.mp4",
        f"{RUN_AND_STREAM}/{CAMERA}.1.{LIMIT}.mp4",
        f"{RUN_AND_STREAM}/{CAMERA}.1.1٣.mp4",
        f"{RUN_AND_STREAM}/{CAMERA}.1.17.mp4.open.bak",
        f"{RUN_AND_STREAM}/{CAMERA}.1.17.mp4.failed",
        f"{RUN_AND_STREAM}.0/{CAMERA}.1.17.mp4",
        f"{RUN_AND_STREAM}.{layout.MOST_DIRECTORIES}/{CAMERA}.1.17.mp4",
        f"{RUN_AND_STREAM}/{CAMERA}.1.17.mp4.failed-01",
        f"{RUN_AND_STREAM}/{str(CAMERA).upper()}.1.17.mp4",
        f"{RUN_AND_STREAM}/{CAMERA.hex}.1.17.mp4",
        f"{RUN_AND_STREAM}/{CAMERA}.1.17.mp4\n",
        f"{RUN_AND_STREAM}/holiday.mp4",
        f"0000000000001234/stream/{CAMERA}.1.17.mp4",
        f"f000000000001234/{STREAM}/{CAMERA}.1.17.mp4",
        f"1234/{STREAM}/{CAMERA}.1.17.mp4",
        f".unborn-0000000000001234/{STREAM}/{CAMERA}.1.17.mp4",
    ],
)
def test_other_names_are_nobody(path: str) -> None:
    """A name that we would not have written is not read as ours."""
    assert layout.parse_segment_path(SPOOL / path) is None


def test_the_data_directory_has_one_place_for_each_thing() -> None:
    """The layout of the first page of docs/formats/spool.md."""
    data = layout.Layout(Path("/hulta"))
    assert [
        str(path)
        for path in (data.assignments, data.token, data.key, data.catalog, data.objects, data.quarantine, data.spool)
    ] == [
        "/hulta/assignments.json",
        "/hulta/token",
        "/hulta/key",
        "/hulta/catalog.sqlite",
        "/hulta/objects",
        "/hulta/quarantine",
        "/hulta/spool",
    ]
    assert str(data.socket("ship")) == "/hulta/run/ship.sock"
    assert str(data.lock("ship")) == "/hulta/run/ship.lock"
