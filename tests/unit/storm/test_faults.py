"""The verdict on cameras with faults: what each may cost, where damage may be told of, how far time may be off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulator.faults import CATALOGUE
from storm.costs import COSTS
from storm.facts import Interval, Strike
from tests.builders_storm import (
    FIRST,
    SECOND,
    alter,
    at,
    evidence,
    fault,
    moved,
    rules_broken,
    spoil,
    undisturbed,
    verdict,
    without,
)

NO_KILLS: tuple[Strike, ...] = ()


def test_every_fault_of_a_camera_has_a_cost() -> None:
    """A fault that is new in the catalogue must not be judged by chance."""
    assert set(COSTS) == {kind.name for kind in CATALOGUE.values() if kind.place.of_cameras}


def test_a_camera_without_faults_loses_nothing() -> None:
    """The builder's undisturbed camera breaks no rule."""
    assert verdict(undisturbed(), NO_KILLS) == []


def test_an_outage_by_a_fault_is_allowed_what_it_lasts() -> None:
    """Power is gone from 20 s to 22 s, and the camera is recorded again at 23 s."""
    camera = replace(evidence(durable=20, reason="stalled"), faults=[fault("off", 20, 22)])
    assert rules_broken(camera, NO_KILLS) == set()


@pytest.mark.parametrize("kind", ["loss", "reorder", "duplicate", "drift", "gop", "b-frames", "ssrc-change", "refuse"])
def test_a_fault_that_stops_nothing_excuses_no_gap(kind: str) -> None:
    """A camera that goes on sending is to be recorded, whatever its packets look like."""
    camera = replace(evidence(durable=19, died=20), faults=[fault(kind, 18, 22, ppm=200, length="60s")])
    assert rules_broken(camera, NO_KILLS) == {"loss_has_a_cause", "gaps_have_a_cause", "gaps_are_short"}


def test_a_recording_that_stays_away_after_a_fault() -> None:
    """13 s for backoff, connect and handshake, 20 ms for the herd, 1 s for a sync sample; not a tenth more."""
    camera = replace(evidence(durable=5, died=5, again=22), faults=[fault("404", 5, 7.8)])
    assert rules_broken(camera, NO_KILLS) == {"recording_resumes"}
    camera = replace(evidence(durable=5, died=5, again=22), faults=[fault("404", 5, 8.2)])
    assert rules_broken(camera, NO_KILLS) == set()


def test_a_refused_login_is_not_tried_again_for_five_minutes() -> None:
    """That is by design, so a camera that is away 20 s after a 401 is not late."""
    camera = replace(evidence(durable=5, died=5, again=35), faults=[fault("401", 5, 7)])
    assert rules_broken(camera, NO_KILLS) == set()


def test_a_door_that_is_shut_prolongs_an_outage_but_begins_none() -> None:
    """`record` is killed while its camera takes no new connections: it is due when the camera does again."""
    camera = replace(evidence(again=30), faults=[fault("refuse", 10, 28)])
    assert rules_broken(camera) == set()


def test_a_pause_of_the_recorder_that_is_short_costs_nothing() -> None:
    """The camera's frames wait in the connection: a gap has no cause."""
    paused = (Strike(at(20), "record", "pause", at(23)),)
    assert rules_broken(evidence(durable=20), paused) == {"gaps_have_a_cause", "gaps_are_short"}


def test_a_long_pause_of_the_recorder_is_as_a_kill() -> None:
    """A process that hangs is killed by its supervisor."""
    paused = (Strike(at(20), "record", "pause", at(30)),)
    assert rules_broken(evidence(durable=19, again=32), paused) == set()


# Spoiled frames


def test_a_spoiled_frame_may_be_missing_where_damage_is_declared() -> None:
    """A packet was lost on the way, and the fragment says so."""
    camera = spoil(without(undisturbed(), FIRST + 500, lost_packets=1), FIRST + 500)
    assert rules_broken(replace(camera, faults=[fault("loss", 19, 21)]), NO_KILLS) == set()


def test_a_spoiled_frame_that_is_missing_without_a_word() -> None:
    """Not even a frame that could not be whole may vanish silently."""
    camera = spoil(without(undisturbed(), FIRST + 500), FIRST + 500)
    assert rules_broken(replace(camera, faults=[fault("loss", 19, 21)]), NO_KILLS) == {"spoiled_is_declared"}


def test_a_whole_frame_is_not_excused_by_damage_nearby() -> None:
    """Damage is a word about spoiled frames; a whole one has to be there, or in a gap."""
    camera = spoil(without(undisturbed(), FIRST + 500, FIRST + 501, lost_packets=1), FIRST + 500)
    assert rules_broken(camera, NO_KILLS) == {"loss_is_declared", "spans_are_complete", "loss_has_a_cause"}


def test_a_spoiled_frame_may_come_back_altered_where_damage_is_declared() -> None:
    """Half a picture is better than none, as long as it is called damaged."""
    camera = spoil(undisturbed(), FIRST + 500)
    camera = alter(camera, FIRST + 500, lost_packets=2, crc32=8, intact=False)
    assert rules_broken(camera, NO_KILLS) == set()


def test_a_spoiled_frame_without_its_mark_is_told_by_its_hash() -> None:
    """The packet with the mark was the one that was lost."""
    camera = spoil(undisturbed(), FIRST + 500)
    camera = alter(camera, FIRST + 500, lost_packets=1, frame=-1, crc32=8, intact=False)
    assert rules_broken(camera, NO_KILLS) == set()


def test_an_altered_frame_in_a_fragment_that_says_nothing() -> None:
    """It would be taken for what the camera saw."""
    camera = spoil(undisturbed(), FIRST + 500)
    camera = alter(camera, FIRST + 500, lost_packets=0, crc32=8, intact=False)
    assert rules_broken(camera, NO_KILLS) == {"bytes_are_identical"}


def test_a_whole_frame_that_came_back_altered() -> None:
    """A word about damage does not help: nothing was spoiled."""
    camera = alter(undisturbed(), FIRST + 500, lost_packets=1, crc32=8, intact=False)
    assert rules_broken(camera, NO_KILLS) == {"bytes_are_identical", "damage_has_a_cause"}


def test_damage_that_is_declared_where_nothing_was_spoiled() -> None:
    """An alarm that means nothing is ignored the next time."""
    camera = alter(undisturbed(), FIRST + 500, lost_packets=1)
    assert rules_broken(camera, NO_KILLS) == {"damage_has_a_cause"}
    jumped = replace(camera, faults=[fault("sequence-jump", 20.1, by=1000)])
    assert rules_broken(jumped, NO_KILLS) == set()
    doubled = replace(camera, faults=[fault("duplicate", 20, 21)])
    assert rules_broken(doubled, NO_KILLS) == {"damage_has_a_cause"}


@pytest.mark.parametrize(("last", "reordered"), [(True, True), (True, False), (False, True)])
def test_footage_of_b_frames_may_end_damaged(last: bool, reordered: bool) -> None:
    """What was to be shown before its last frame was still to come. Elsewhere, or of others, it has no cause."""
    camera = replace(evidence(durable=20, reason="stalled"), faults=[fault("off", 20, 22)], reordered=reordered)
    camera = alter(camera, FIRST + (499 if last else 400), lost_packets=1)
    assert rules_broken(camera, NO_KILLS) == (set() if last and reordered else {"damage_has_a_cause"})


# Time


@pytest.mark.parametrize(
    ("kind", "off_s", "broken"),
    [
        ("timestamp-jump", 0.5, set()),
        ("timestamp-jump", 0.7, {"times_are_true"}),
        ("timestamp-backwards", 0.5, set()),
        ("timestamp-freeze", 9.0, set()),
        ("timestamp-wrap", 0.15, {"times_are_true"}),
        ("loss", 0.15, {"times_are_true"}),
    ],
)
def test_how_far_time_may_be_off_while_a_camera_lies(kind: str, off_s: float, broken: set[str]) -> None:
    """Up to 500 ms a camera is believed, 10 s one whose clock stands still; not at all if only its packets are odd."""
    camera = moved(undisturbed(), round(off_s * SECOND), first=FIRST + 510, stop=FIRST + 511)
    assert rules_broken(replace(camera, faults=[fault(kind, 20, 21)]), NO_KILLS) == broken


def test_long_after_a_lie_time_is_true_again() -> None:
    """30 s after the clock jumped, the tolerance is that of any other camera."""
    camera = replace(undisturbed(), faults=[fault("timestamp-jump", 2, by="10s")])
    off = moved(camera, 150_000, first=FIRST + 900, stop=FIRST + 940)
    assert rules_broken(off, NO_KILLS) == {"times_are_true"}


def test_a_drifting_camera_is_judged_by_true_time() -> None:
    """It counts frames by its own clock, which gains 2 % for 20 s: its 500th frame then leaves 0.39 s early."""
    camera = undisturbed()
    sent = [each for each in camera.sent if each.frame < FIRST + 250]
    for number in range(250, 1000):
        own_s = number / 25 - 10
        true_s = 10 + own_s / 1.02 if own_s < 20 * 1.02 else own_s - 0.4 + 10
        sent.append(sent[0]._replace(frame=FIRST + number, sent_us=at(true_s)))
    true_us = {each.frame: each.sent_us for each in sent}
    fragments = {
        key: fragment._replace(frames=tuple(one._replace(wall_us=true_us[one.frame]) for one in fragment.frames))
        for key, fragment in camera.fragments.items()
    }
    frames = [one for fragment in fragments.values() for one in fragment.frames if camera.asked(one.wall_us, 0)]
    drifted = replace(
        camera, sent=sent, fragments=fragments, frames=frames, faults=[fault("drift", 10, 30, ppm=20_000)]
    )
    assert rules_broken(drifted, NO_KILLS) == set()
    off = moved(drifted, 700_000, first=FIRST + 600, stop=FIRST + 601)
    assert "times_are_true" in rules_broken(off, NO_KILLS)


def test_a_gap_has_to_lie_at_its_fault() -> None:
    """Within the allowance in all, but where nothing happened."""
    camera = evidence()
    gap = Interval(at(30.01), at(30.03), "stalled")
    spans = [camera.spans[0], Interval(at(23), gap.start_us), Interval(gap.end_us, at(39))]
    assert rules_broken(replace(camera, gaps=[*camera.gaps, gap], spans=spans)) == {"gaps_have_a_cause"}
