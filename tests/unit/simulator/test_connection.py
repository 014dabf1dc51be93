"""What a client of the simulated cameras meets: requests and their answers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from media import sdp
from media.access_unit import AccessUnit
from media.h264 import H264Depacketizer
from media.h264_parameters import ParameterSets
from media.rtcp import parse_sender_report
from media.rtp import RtpReceiver
from media.rtsp import parse_transport
from simulator import Credentials, Simulator, SimulatorOptions
from simulator.connection import RtspConnection
from simulator.oracle import checksum, find_sei
from tests.builders_simulator import TCP, RtspReader, UdpEars, connect, nals, rtp_start
from tests.waiting import eventually

QUICK = SimulatorOptions(port=0, fps=25, gop_us=200_000, bitrate_bps=500_000)
LOGIN = Credentials(username="operator", password="correct horse")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """One live camera with short GOPs."""
    async with Simulator(QUICK) as simulator:
        yield simulator


@pytest.fixture
async def reader(simulator: Simulator) -> AsyncIterator[RtspReader]:
    """A client connected to it."""
    async with connect(simulator.urls[0]) as reader:
        yield reader


async def test_options_names_what_is_answered(reader: RtspReader) -> None:
    """Every method a recorder needs."""
    response = await reader.ask("OPTIONS")
    methods = set(response.headers["Public"].split(", "))
    assert methods == {"OPTIONS", "DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"}


async def test_the_description_says_how_to_decode(reader: RtspReader) -> None:
    """One H.264 track with its parameter sets, and a profile-level-id that is theirs."""
    response = await reader.ask("DESCRIBE")
    assert response.headers["Content-Type"] == "application/sdp"
    assert response.headers["Content-Base"] == reader.url + "/"
    (track,) = sdp.parse(response.body).media
    assert (track.kind, track.encoding, track.clock_rate, track.control) == ("video", "H264", 90_000, "track1")
    assert track.fmtp["packetization-mode"] == "1"
    parameters = ParameterSets.from_sprop(track.fmtp["sprop-parameter-sets"])
    assert parameters is not None
    assert parameters.track().width == 640
    assert bytes.fromhex(track.fmtp["profile-level-id"]) == parameters.sps[0][1:4]
    assert parameters.track().codec == f"avc1.{track.fmtp['profile-level-id'].lower()}"


async def test_frames_come_as_promised(reader: RtspReader) -> None:
    """SSRC, first sequence number and first timestamp are those of SETUP and PLAY; the first frame is a sync sample."""
    ssrc = parse_transport((await reader.set_up()).headers["Transport"]).ssrc
    start = rtp_start(await reader.ask("PLAY"))
    reader.receiver._expected = start[0] or -1  # what came instead would be counted as lost
    units = await reader.take(12)
    assert (units[0].sync, units[0].rtp_timestamp) == (True, start[1])
    assert reader.receiver.ssrc == ssrc
    assert reader.receiver.lost_packets == reader.receiver.foreign_packets == 0
    assert [unit.sync for unit in units] == [index % 5 == 0 for index in range(12)]
    assert {units[0].rtp_timestamp + index * 3600 - unit.rtp_timestamp for index, unit in enumerate(units)} <= {
        0,
        1 << 32,
    }


async def test_every_access_unit_carries_its_mark(simulator: Simulator, reader: RtspReader) -> None:
    """Camera, rising frame number, time and a CRC that fits."""
    await reader.play()
    units = [nals(unit) for unit in await reader.take(8)]
    marks = [mark for mark in map(find_sei, units) if mark is not None]
    assert [mark.crc32 for mark in marks] == [checksum(unit) for unit in units]
    assert [mark.frame - marks[0].frame for mark in marks] == list(range(8))
    assert {mark.camera for mark in marks} == {simulator.cameras["cam/0001"].uuid}
    assert abs(marks[0].sent_us - marks[0].frame * 40_000) < 2_000_000


async def test_the_first_thing_sent_ties_rtp_to_utc(reader: RtspReader) -> None:
    """A sender report whose clock agrees with the frames' own marks."""
    start = rtp_start(await reader.play())
    (unit,) = await reader.take(1)
    mark = find_sei(nals(unit))
    (report,) = reader.reports
    assert mark is not None
    sent_us = (report.ntp * 1_000_000 >> 32) - 2_208_988_800_000_000
    assert abs(sent_us - mark.sent_us) <= 1
    shown_us = sent_us - ((report.rtp_timestamp - (start[1] or 0)) & 0xFFFFFFFF) * 100 // 9
    assert abs(shown_us - mark.frame * 40_000) <= 12  # a tick of 90 kHz


@pytest.mark.parametrize(
    "transport",
    [
        "RTP/SAVP;unicast;client_port=5000-5001",
        "RTP/AVP;multicast;client_port=5000-5001",
        "RTP/AVP;unicast",
        "RTP/AVP;unicast;client_port=53-54",
        "RTP/AVP;unicast;client_port=5000-53",
        "RTP/AVP;unicast;destination=192.0.2.1;client_port=5000-5001",
    ],
)
async def test_what_is_not_served_is_refused(reader: RtspReader, transport: str) -> None:
    """461, which makes a client try another. Nobody is sent what he did not ask for: no other address, no service."""
    assert (await reader.set_up(transport)).status == 461


@pytest.mark.parametrize("protocol", ["RTP/AVP", "RTP/AVP/UDP"])
async def test_frames_come_as_datagrams(simulator: Simulator, reader: RtspReader, protocol: str) -> None:
    """The same frames, with the numbers that were promised, and a report first."""
    with UdpEars() as ears:
        response = await reader.set_up(ears.transport.replace("RTP/AVP", protocol))
        start = rtp_start(await reader.ask("PLAY"))
        report = parse_sender_report((await ears.take(1, ears.rtcp))[0], 0, 28)
        units: list[AccessUnit] = []
        receiver = RtpReceiver(96, H264Depacketizer(units.append))
        while len(units) < 6:
            for packet in await ears.take(1):
                receiver.receive(bytearray(packet), 0, len(packet))
    assert report is not None
    assert report.ssrc == receiver.ssrc == parse_transport(response.headers["Transport"]).ssrc
    assert (units[0].sync, units[0].rtp_timestamp) == (True, start[1])
    marks = [find_sei(nals(unit)) for unit in units]
    assert [mark.frame - marks[0].frame for mark in marks if mark and marks[0]] == list(range(6))
    assert receiver.lost_packets == 0
    assert reader.receiver.packets == 0


async def test_datagrams_end_with_the_connection(simulator: Simulator) -> None:
    """Whoever hangs up is sent nothing more, with TEARDOWN or without."""
    watchers = simulator.cameras["cam/0001"]._watchers
    with UdpEars() as ears:
        for polite in (True, False):
            async with connect(simulator.urls[0]) as reader:
                await reader.set_up(ears.transport)
                await reader.ask("PLAY")
                await ears.take(3)
                if polite:
                    assert (await reader.ask("TEARDOWN")).ok
            await eventually("the session is gone", lambda: not watchers)


async def test_reports_keep_a_datagram_session_alive() -> None:
    """Without one request more; and when they stop, too, the session ends."""
    async with Simulator(QUICK) as simulator, connect(simulator.urls[0]) as reader:
        with UdpEars() as ears:
            await reader.set_up(ears.transport)
            await reader.ask("PLAY")
            _, server = await asyncio.get_running_loop().sock_recvfrom(ears.rtcp, 2000)
            (connection,) = simulator.server.connections
            for _ in range(3):
                heard_s = let_pass(connection, 31)
                ears.rtcp.sendto(b"\x80\xc9\x00\x01" + bytes(4), server)
                await eventually("the report is heard", lambda heard_s=heard_s: connection._heard_s > heard_s)
            let_pass(connection, 31)
            assert not reader.closed
            let_pass(connection, 28.9)
            await reader.until(lambda: reader.closed)


async def test_tcp_is_taken_from_a_list_and_channels_are_the_clients(reader: RtspReader) -> None:
    """What is not served is passed over, and packets come on the channels that were asked for."""
    response = await reader.set_up("RTP/SAVP;unicast;client_port=5000-5001,RTP/AVP/TCP;interleaved=4-5")
    assert parse_transport(response.headers["Transport"]).interleaved == (4, 5)
    await reader.ask("PLAY")
    await reader.take(1)
    assert reader.channels == {4, 5}


@pytest.mark.parametrize(
    "transport", ["", "RTP/AVP/TCP;interleaved=1-2", "RTP/AVP/TCP;interleaved=0-9", "RTP/AVP;client_port=x", ";;"]
)
async def test_a_transport_that_makes_no_sense_is_refused(reader: RtspReader, transport: str) -> None:
    """400, and the connection stays."""
    assert (await reader.set_up(transport)).status == 400
    assert (await reader.ask("OPTIONS")).ok


@pytest.mark.parametrize("path", ["/cam/0002", "/", "/cam/0001/extra", "/cam"])
async def test_an_unknown_camera_is_not_found(reader: RtspReader, path: str) -> None:
    """404 for what is not there."""
    assert (await reader.ask("DESCRIBE", reader.url.replace("/cam/0001", path))).status == 404


@pytest.mark.parametrize("url", ["rtsp://[", "rtsp://[::1/cam/0001", "%", "*", "rtsp://127.0.0.1:port/cam/%FF"])
async def test_a_url_that_is_none_is_answered(reader: RtspReader, url: str) -> None:
    """It names no camera; the connection stays."""
    assert (await reader.ask("DESCRIBE", url)).status == 404
    assert (await reader.ask("OPTIONS", url)).ok
    assert (await reader.ask("DESCRIBE")).ok


@pytest.mark.parametrize("variant", ["/", "?profile=main", "/?a=b"])
async def test_a_camera_is_found_by_its_path_alone(reader: RtspReader, variant: str) -> None:
    """With a slash at the end or a query behind it, as recorders are configured."""
    assert (await reader.ask("DESCRIBE", reader.url + variant)).ok


async def test_a_session_that_is_not_ours_is_refused(reader: RtspReader) -> None:
    """454 without a session, with another one's, and after TEARDOWN."""
    for method in ("PLAY", "TEARDOWN"):
        assert (await reader.ask(method)).status == 454
    await reader.set_up()
    for method in ("PLAY", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER"):
        assert (await reader.ask(method, Session="another")).status == 454
    assert (await reader.ask("TEARDOWN")).ok
    assert (await reader.ask("PLAY")).status == 454


async def test_sound_is_a_second_track_that_is_set_up_behind_the_pictures() -> None:
    """It is described, refused before the pictures, and begins with them on channels of its own."""
    async with Simulator(replace(QUICK, audio="pcmu")) as simulator, connect(simulator.urls[0]) as reader:
        pictures, sound = sdp.parse((await reader.ask("DESCRIBE")).body).media
        assert (sound.kind, sound.payload_type, sound.control) == ("audio", 0, "track2")
        url = f"{reader.url}/{sound.control}"
        assert (await reader.ask("SETUP", url, Transport=TCP)).status == 455
        reader.session = ""
        await reader.set_up()
        channels = TCP.replace("0-1", "2-3")
        assert (await reader.ask("SETUP", url, Transport=channels, Session="another")).status == 454
        answer = await reader.ask("SETUP", url, Transport=channels)
        assert (answer.status, parse_transport(answer.headers["Transport"]).interleaved) == (200, (2, 3))
        assert (await reader.ask("SETUP", url, Transport=channels)).status == 455
        begun = (await reader.ask("PLAY")).headers["RTP-Info"].split(",")
        assert [each.partition(";")[0].rpartition("/")[2] for each in begun] == [pictures.control, sound.control]
        await eventually("both tracks and both reports came", lambda: reader.channels == {0, 1, 2, 3})


async def test_a_camera_without_sound_has_no_such_track(reader: RtspReader) -> None:
    """404, and the pictures go on."""
    await reader.set_up()
    assert (await reader.ask("SETUP", f"{reader.url}/track2", Transport=TCP)).status == 404
    assert (await reader.ask("PLAY")).status == 200


async def test_a_second_setup_is_refused(reader: RtspReader) -> None:
    """455: there is one track. The session goes on."""
    await reader.play()
    assert (await reader.ask("SETUP", Transport=TCP)).status == 455
    await reader.take(2)
    assert (await reader.ask("TEARDOWN")).ok
    assert (await reader.set_up()).ok


async def test_what_is_no_method_is_answered(reader: RtspReader) -> None:
    """501 with what would be understood; 400 without a CSeq to answer to."""
    response = await reader.ask("RECORD")
    assert (response.status, "PLAY" in response.headers["Public"]) == (501, True)
    assert (await reader.ask("OPTIONS", CSeq="")).status == 400


async def test_nothing_comes_after_teardown(simulator: Simulator, reader: RtspReader) -> None:
    """And the camera stops working when its last reader is gone."""
    await reader.play()
    await reader.take(3)
    await reader.ask("TEARDOWN")
    packets = reader.receiver.packets
    assert (await reader.ask("OPTIONS")).ok
    assert reader.receiver.packets == packets
    assert simulator.cameras["cam/0001"]._watchers == []


async def test_bytes_that_are_no_rtsp_end_the_connection(reader: RtspReader) -> None:
    """Framing is lost, so nothing that follows could be trusted."""
    reader.transport.write(b"GET / HTTP/1.1\r\nHost: camera\r\n\r\n")
    await reader.until(lambda: reader.closed)


async def test_two_sessions_get_the_same_access_units(simulator: Simulator) -> None:
    """One encoder: whoever watches at an instant sees the same bytes, under packet numbers of his own."""
    async with connect(simulator.urls[0]) as one, connect(simulator.urls[0]) as two:
        starts = [rtp_start(await reader.play()) for reader in (one, two)]
        seen = []
        for reader in (one, two):
            units = [nals(unit) for unit in await reader.take(20)]
            seen.append({mark.frame: unit for unit in units if (mark := find_sei(unit)) is not None})
    common = seen[0].keys() & seen[1].keys()
    assert len(common) >= 10
    assert all(seen[0][frame] == seen[1][frame] for frame in common)
    assert starts[0] != starts[1]


async def test_a_silent_client_is_dropped_after_the_session_timeout() -> None:
    """As cameras do; a client that asks in time stays."""
    async with Simulator(QUICK) as simulator, connect(simulator.urls[0]) as silent, connect(simulator.urls[0]) as alive:
        response = await silent.set_up()
        assert response.headers["Session"].endswith(";timeout=60")
        await silent.ask("PLAY")
        await alive.play()
        for seconds in (31, 28.9):
            for connection in simulator.server.connections:
                let_pass(connection, seconds)
            assert (await alive.ask("GET_PARAMETER")).ok
        await silent.until(lambda: silent.closed)
        assert not alive.closed


async def test_a_session_ends_by_itself_after_its_timeout() -> None:
    """In real time."""
    options = replace(QUICK, session_timeout_s=1)
    async with Simulator(options) as simulator, connect(simulator.urls[0]) as silent:
        await silent.play()
        await silent.until(lambda: silent.closed)


def let_pass(connection: RtspConnection, seconds: float) -> float:
    """As if nothing had been heard of this client for so much longer; when that was last, then."""
    assert connection._idle_timer is not None
    connection._idle_timer.cancel()
    connection._heard_s -= seconds
    connection._watch_idle()
    return connection._heard_s


async def test_a_slow_reader_is_dropped() -> None:
    """What waits for it is bounded; a reader beside it does not notice."""
    async with (
        Simulator(replace(QUICK, bitrate_bps=20_000_000, queue_bytes=64 << 10)) as simulator,
        connect(simulator.urls[0]) as slow,
        connect(simulator.urls[0]) as quick,
    ):
        slow.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await slow.play()
        slow.transport.pause_reading()
        await quick.play()
        watchers = simulator.cameras["cam/0001"]._watchers
        await quick.until(lambda: len(watchers) == 1)
        await quick.take(len(quick.units) + 5)
        assert quick.receiver.lost_packets == 0


@pytest.mark.parametrize("scheme", ["digest", "basic"])
async def test_the_right_login_is_let_in(scheme: str) -> None:
    """Each scheme by itself; the wrong password stays outside, whatever it asks."""
    login = replace(LOGIN, schemes=(scheme,))
    async with Simulator(replace(QUICK, credentials=login)) as simulator, connect(simulator.urls[0]) as reader:
        assert (await reader.ask("OPTIONS")).ok
        refused = await reader.ask("DESCRIBE")
        assert (refused.status, refused.headers["WWW-Authenticate"].split()[0].lower()) == (401, scheme)
        assert (await reader.ask_as(login, scheme, "DESCRIBE")).ok
        for wrong in (replace(login, password="battery staple"), replace(login, username="admin")):
            assert (await reader.ask_as(wrong, scheme, "DESCRIBE")).status == 401
        assert (await reader.set_up()).status == 401


async def test_a_scheme_that_is_not_offered_is_refused() -> None:
    """A camera set to Digest does not take a password in clear text."""
    login = replace(LOGIN, schemes=("digest",))
    async with Simulator(replace(QUICK, credentials=login)) as simulator, connect(simulator.urls[0]) as reader:
        # operator:correct horse
        response = await reader.ask("DESCRIBE", Authorization="Basic b3BlcmF0b3I6Y29ycmVjdCBob3JzZQ==")
        assert response.status == 401


async def test_both_schemes_are_offered_strongest_first() -> None:
    """Two fields, as cameras send them."""
    async with Simulator(replace(QUICK, credentials=LOGIN)) as simulator, connect(simulator.urls[0]) as reader:
        offers = (await reader.ask("DESCRIBE")).headers.get_all("WWW-Authenticate")
        assert [offer.split()[0] for offer in offers] == ["Digest", "Basic"]
        for scheme in ("digest", "basic"):
            assert (await reader.ask_as(LOGIN, scheme, "DESCRIBE")).ok


async def test_a_disconnected_reader_leaves_nothing_behind(simulator: Simulator) -> None:
    """Without TEARDOWN, as most go."""
    async with connect(simulator.urls[0]) as reader:
        await reader.play()
        await reader.take(1)
    watchers = simulator.cameras["cam/0001"]._watchers
    await eventually("the session is gone", lambda: not watchers)


async def test_closing_hangs_up() -> None:
    """Readers learn at once that the simulator is gone."""
    async with Simulator(QUICK) as simulator:
        reader_context = connect(simulator.urls[0])
        reader = await reader_context.__aenter__()
        await reader.play()
    async with asyncio.timeout(5):
        await reader_context.__aexit__(None, None, None)
    assert reader.closed
