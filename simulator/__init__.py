"""Simulated cameras: any number of them behind one RTSP server, for demos, load tests and proofs.

    options      what can be asked for, checked
    simulator    Simulator (in-process), simulate, run: puts the parts below together

    rtsp_server  who is connected            door        a listening address        connection   one client's requests
    description  SDP                         guard       the login                  session      one reader of a camera
    rtp_stream   numbers a session's packets carrier     how they travel: TCP       udp_carrier  and as datagrams
    seed         chance that can be repeated
    camera       frames to all who watch     pacer       when each frame goes out   clock        the cameras' time

    studio       which source each camera gets
    source       what a camera sends: access units, packetized once     timetable  when each of them is due
    live         pictures drawn and encoded as time goes by             picture    the drawing      encoder  libav's
    reel         prepared frames that repeat: loops (generated) or film (a file's own frames, untouched)

    sound        what cameras hear: coded frames that repeat             microphone  to all who listen

    codec        what differs from codec to codec                       codecs     the table of them
    codec_nal    the codecs of NAL units                                codec_h264, codec_h265, codec_av1
    scheduling   what an encoder library does to the process, undone

    oracle       the mark in every generated access unit that lets a test recognise it anywhere
    sent_log     what was sent, written outside of the system under test

    faults       what can be wrong: the catalogue           fault_parameters  what may be written for it
    script       scripts and flags as people write them     steps             faults on a time line, pure
    director     carries out a script on the cameras        fault_log         what was wrong and when
    conditions   what is wrong with one camera now          detour            the way of its frames meanwhile
    footage      cameras whose footage changes
    packet_faults, frame_faults, trickle, crystal   what a fault does to packets, access units, an uplink, a clock: pure

A frame's way: the pacer fires the camera, its source delivers an access unit as RTP payloads, the camera adds the mark
and hands the frame to each session; its carrier has the packets numbered and sends them, over TCP in one piece.

Kept in mind
  1. A camera is a pure function of the wall clock: after a restart it goes on as if it had never stopped.
  2. Frames are encoded and packetized once, whoever watches. Nobody watching costs nothing.
  3. Cameras behave like cameras: own RTP numbers per session, sender reports, timeouts, 461 for what they cannot do,
     nothing to anyone who did not ask.
  4. It knows `media` and nothing else of the product: what it tests must not be what it is made of.

Faults are not for the frame's way: a camera that is well tests one attribute a frame.
"""

from simulator.options import CameraOptions, Credentials, SimulatorOptions
from simulator.sent_log import SentFrame
from simulator.simulator import Simulator, run, simulate

__all__ = ["CameraOptions", "Credentials", "SentFrame", "Simulator", "SimulatorOptions", "run", "simulate"]
