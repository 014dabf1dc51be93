"""The verdict on sound: clean evidence passes, and each way to break the promise is called by its rule's name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from storm.facts import CameraEvidence, FragmentId, Sent
from storm.sound import Heard, SoundFragment, numbers
from tests.builders_storm import at, evidence, fault, rules_broken

FRAME_US = 20_000
LAP = 400
"""Frames with bytes of their own."""

DELAY_US = 25_000
"""A frame is sent when it was heard to its end, and a little later."""


def said(first: float, last: float, session: int = 1) -> list[Sent]:
    """What the camera logs between two instants."""
    numbers_of = range(at(first) // FRAME_US, at(last) // FRAME_US)
    return [Sent(number, number * FRAME_US + DELAY_US, number % LAP, session) for number in numbers_of]


def fragments(sent: list[Sent]) -> list[SoundFragment]:
    """What is stored of it, one fragment a second."""
    found: dict[int, list[Heard]] = {}
    for each in sent:
        wall_us = each.frame * FRAME_US
        found.setdefault(wall_us // 1_000_000, []).append(Heard(wall_us, each.crc32))
    return [SoundFragment(tuple(heard), heard[0].wall_us, heard[-1].wall_us + FRAME_US, 0) for heard in found.values()]


def talking() -> CameraEvidence:
    """The camera of the builders, with sound until it dies at 20 s and from 23 s on; durable until 19 s."""
    sent = [*said(0.5, 20), *said(23, 40, 2)]
    stored = [each for each in sent if not at(19) <= each.frame * FRAME_US < at(23)]
    return replace(evidence(), sound_sent=sent, sounds=fragments(stored))


def without(camera: CameraEvidence, first: float, last: float) -> CameraEvidence:
    """The same, without what was stored between two instants."""
    kept = [
        each._replace(frames=tuple(heard for heard in each.frames if not at(first) <= heard.wall_us < at(last)))
        for each in camera.sounds
    ]
    return replace(camera, sounds=kept)


def test_a_frame_is_known_by_its_bytes_and_its_time() -> None:
    """In whichever lap, a little early or late; not if nothing like it was sent then."""
    sent = said(0, 30)
    heard = [Heard(each.frame * FRAME_US + off_us, each.crc32) for each in sent for off_us in (-900_000, 0, 900_000)]
    assert [*numbers(heard, sent)] == [each.frame for each in sent for _ in range(3)]
    assert [*numbers([Heard(at(5), LAP + 1), Heard(at(60), 5)], sent)] == [None, None]


def test_what_came_back_while_pictures_were_recorded_breaks_nothing() -> None:
    """Nor what is missing in a gap, with the pictures."""
    assert rules_broken(talking()) == set()


@pytest.mark.parametrize("seconds", [0.02, 0.2, 5])
def test_sound_that_is_missing_beside_its_pictures(seconds: float) -> None:
    """A single frame, too."""
    assert rules_broken(without(talking(), 7, 7 + seconds)) == {"sound_loss_is_declared"}


def test_an_announced_fragment_of_sound_that_comes_back() -> None:
    """And one that does not."""
    camera = talking()
    announced = replace(camera, announced={**camera.announced, FragmentId(1, 1, 0, 77): at(20)})
    assert rules_broken(announced) == {"announced_is_retrieved"}
    assert rules_broken(replace(announced, sound_ids=frozenset({FragmentId(1, 1, 0, 77)}))) == set()


def test_sound_that_is_missing_and_declared() -> None:
    """The fragment that follows says that packets are lost. It explains nothing that is further away."""
    camera = without(talking(), 7.5, 7.6)
    told = [each._replace(lost_packets=2) if each.start_us == at(8) else each for each in camera.sounds]
    assert rules_broken(replace(camera, sounds=told)) == set()
    assert rules_broken(without(replace(camera, sounds=told), 3, 3.1)) == {"sound_loss_is_declared"}


@pytest.mark.parametrize(("kind", "broken"), [("loss", {"sound_loss_is_declared"}), ("garbage", set())])
def test_spoiled_sound_need_not_come_back_but_its_loss_is_told(kind: str, broken: set[str]) -> None:
    """Unless it was swallowed with the connection."""
    camera = without(talking(), 7, 7.1)
    sent = [each._replace(whole=not at(7) <= each.frame * FRAME_US < at(7.1)) for each in camera.sound_sent]
    camera = replace(camera, sound_sent=sent, faults=[fault(kind, 6, 8)])
    assert rules_broken(camera) - {"recording_resumes", "gaps_have_a_cause"} == broken


def test_sound_that_is_there_twice_or_out_of_order() -> None:
    """In one fragment or in two."""
    camera = talking()
    first, second, *rest = camera.sounds
    twice = first._replace(frames=(*first.frames, first.frames[-1]))
    assert rules_broken(replace(camera, sounds=[twice, second, *rest])) == {"sound_is_what_was_sent"}
    assert rules_broken(replace(camera, sounds=[first, first, second, *rest])) == {"sound_is_what_was_sent"}
    assert rules_broken(replace(camera, sounds=[second, first, *rest])) == {"sound_is_what_was_sent"}


def test_sound_that_nobody_sent() -> None:
    """Other bytes than were sent; the frame they stand for is missing as well."""
    camera = talking()
    spoiled = camera.sounds[5]._replace(
        frames=(camera.sounds[5].frames[0]._replace(crc32=LAP), *camera.sounds[5].frames[1:])
    )
    camera = replace(camera, sounds=[*camera.sounds[:5], spoiled, *camera.sounds[6:]])
    assert rules_broken(camera) == {"sound_is_what_was_sent", "sound_loss_is_declared"}


def test_sound_of_a_camera_that_is_not_to_be_heard() -> None:
    """It is not recorded."""
    assert rules_broken(replace(talking(), sound_sent=[])) == {"sound_is_what_was_sent"}


def test_no_sound_at_all_is_no_proof() -> None:
    """Though it was sent."""
    assert "sound_is_what_was_sent" in rules_broken(replace(talking(), sounds=[]))
