"""Outages: from a fault to the first frame that a camera sends to a session that goes on."""

from __future__ import annotations

from itertools import pairwise

from storm.facts import FaultWindow, Sent, Strike
from storm.outages import Outage, causes, outages
from tests.builders_storm import FIRST, FRAME, SECOND, START, at, fault, sent_frames


def outages_of(sent: list[Sent], strikes: list[Strike], faults: list[FaultWindow] | None = None) -> list[Outage]:
    """Up to 39 s."""
    found = causes(strikes, faults or [], cameras=1, kill_us=5 * SECOND)
    return outages(sent, found, at(39))


def sessions(*bounds: tuple[float, float]) -> list[Sent]:
    """A camera that sends to one session after the other."""
    frames = []
    for session, (first, last) in enumerate(bounds, 1):
        numbers = range(round(first * 25), round(last * 25))
        frames += [Sent(FIRST + number, START + number * FRAME, 7, session) for number in numbers]
    return frames


def test_kills_during_an_outage_join_it() -> None:
    """A second kill before the camera is back prolongs the outage instead of adding a second allowance."""
    kills = [Strike(at(20), "record"), Strike(at(22), "supervisor"), Strike(at(23), "ship")]
    (outage,) = outages_of(sent_frames(again=24), kills)
    assert (outage.start_us, outage.end_us, outage.last.start_us) == (at(20), at(24), at(22))


def test_a_moments_pause_only_delays_who_was_coming_back() -> None:
    """Cameras wait for a recorder that stands still for a moment; one that is starting starts later."""
    kill, pause = Strike(at(20), "record"), Strike(at(21), "record", "pause", at(23))
    (alone,) = outages_of(sent_frames(again=24), [kill])
    (delayed,) = outages_of(sent_frames(again=24), [kill, pause])
    assert (delayed.start_us, delayed.end_us, delayed.kind) == (alone.start_us, alone.end_us, "pause")
    assert delayed.due_us - alone.due_us == 3 * SECOND
    assert not outages_of(sent_frames(), [pause])


def test_separate_kills_are_separate_outages() -> None:
    """Each kill after a recovery opens an outage of its own, and the last may still be open."""
    found = outages_of(sent_frames(), [Strike(at(20), "record"), Strike(at(30), "supervisor")])
    assert [outage.recovered for outage in found] == [True, False]
    assert all(one.end_us <= two.start_us for one, two in pairwise(found))


def test_a_stall_ends_with_the_first_frame_after_it() -> None:
    """The session outlived the fault: the camera goes on with it, and nobody has to connect."""
    (outage,) = outages_of(sessions((0, 10), (15, 40)), [], [fault("stall", 10, 15)])
    same = [each._replace(session=1) for each in sessions((0, 10), (15, 40))]
    (again,) = outages_of(same, [], [fault("stall", 10, 15)])
    assert outage.end_us == again.end_us == at(15)
    assert again.again_us == 0


def test_a_session_that_is_being_given_up_ends_no_outage() -> None:
    """The recorder hangs up just as the camera goes on: the frames of that moment went nowhere."""
    sent = sessions((0, 10), (15, 15.2), (16, 40))
    (outage,) = outages_of(sent, [], [fault("stall", 10, 15)])
    assert outage.end_us == at(16)


def test_a_fault_that_ends_sessions_only_when_it_begins() -> None:
    """Timestamps are about to wrap for 20 s, but recording is due right away."""
    sent = sessions((0, 10), (11, 40))
    (outage,) = outages_of(sent, [], [fault("timestamp-wrap", 10, 30)])
    assert (outage.start_us, outage.end_us, outage.due_us) == (at(10), at(11), at(10) + 13 * SECOND + 20_000)


def test_what_holds_recording_up_longest_is_what_it_has_to_come_back_from() -> None:
    """A stall during the wait after a refused login does not make the recorder wait less."""
    faults = [fault("401", 10, 12), fault("stall", 13, 15)]
    (outage,) = outages_of(sessions((0, 10), (35, 40)), [], faults)
    assert (outage.kind, outage.again_us) == ("401", 23 * SECOND)


def test_many_cameras_may_take_longer_to_come_back() -> None:
    """50 connects a second for all of them together."""
    found = causes([Strike(at(20), "record")], [], cameras=200, kill_us=5 * SECOND)
    assert found[0].due_us == at(29)


def test_faults_of_the_numbers_are_no_outages() -> None:
    """Nothing to come back from."""
    faults = [fault("loss", 5, 10), fault("duplicate", 5, 10), fault("sequence-jump", 7), fault("refuse", 5, 10)]
    assert outages_of(sent_frames(died=40), [], faults) == []


def test_recording_can_begin_only_with_a_whole_sync_sample() -> None:
    """Packets are lost: the first sync sample of the new session is spoiled, the next one is a second later."""
    sent = [each._replace(sync=index % 25 == 0, whole=index != 0) for index, each in enumerate(sent_frames()[500:])]
    (outage,) = outages_of([*sent_frames()[:500], *sent], [Strike(at(20), "record")])
    assert outage.end_us == at(24)
