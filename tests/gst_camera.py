"""A camera nobody here wrote: GStreamer's RTSP server. Run with the system's Python, which has its bindings.

usage: /usr/bin/python3 tests/gst_camera.py PORT [USER PASSWORD [basic|digest]] [--tls CERTIFICATE_AND_KEY.pem]

rtsp://127.0.0.1:PORT/slices   x264 with four slices per picture; parameter sets before each slice of a sync sample
rtsp://127.0.0.1:PORT/plain    x264 with one slice per picture
rtsp://127.0.0.1:PORT/h265     x265 with four slices per picture, B-frames, and open groups of pictures
rtsp://127.0.0.1:PORT/mjpeg    Motion JPEG (RFC 2435)
rtsp://127.0.0.1:PORT/aac      as plain, with sound: 440 Hz for 23 ms each second, about when picture 0, 25, 50 ... is
                               taken; "/aac seen US", "/aac heard US" tell exactly when picture and tick 0 were
rtsp://127.0.0.1:PORT/opus, /pcmu, /pcma, /unheard   the same; a mount each, for a second client disturbs the first

All show `videotestsrc pattern=ball` in frame order, so that each picture is known by its number. With USER and
PASSWORD it asks for Digest authentication, or for Basic; with a certificate it speaks RTSP inside TLS only.
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - the versions come first

SOURCE = (
    "videotestsrc name=seen is-live=true pattern=ball animation-mode=frames"
    " ! video/x-raw,format=I420,width=320,height=240,framerate=25/1"
)
X264 = "x264enc speed-preset=ultrafast bitrate=2000 key-int-max=25"
X264_PAY = "video/x-h264,profile=main ! rtph264pay name=pay0 pt=96 config-interval=-1"
X265 = "x265enc speed-preset=ultrafast bitrate=2000 key-int-max=27"
X265_OPTIONS = "slices=4:ctu=16:min-cu-size=16:max-tu-size=16:bframes=3:b-adapt=0:open-gop=1:log-level=error"
X265_PAY = "video/x-h265,profile=main ! rtph265pay name=pay0 pt=96 config-interval=-1"
TICKS = "audiotestsrc name=heard is-live=true wave=ticks volume=0.8 samplesperbuffer=80"
PTIME = "min-ptime=20000000 max-ptime=20000000"
SOUNDS = {
    "/aac": "audio/x-raw,rate=44100,channels=2 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97",
    "/unheard": "audio/x-raw,rate=44100,channels=2 ! avenc_aac ! rtpmp4gpay name=pay1 pt=97",
    "/opus": "audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay name=pay1 pt=97",
    "/pcmu": f"audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay {PTIME} name=pay1",
    "/pcma": f"audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay {PTIME} name=pay1",
}
ENCODERS = {
    "/slices": f"{X264} tune=zerolatency threads=4 sliced-threads=true ! {X264_PAY}",
    "/plain": f"{X264} tune=zerolatency sliced-threads=false ! {X264_PAY}",
    "/h265": f"{X265} option-string={X265_OPTIONS} ! {X265_PAY}",
    "/mjpeg": "jpegenc quality=95 ! rtpjpegpay name=pay0 pt=26",
    **{
        path: f"{X264} tune=zerolatency threads=1 ! {X264_PAY} {TICKS} ! audioconvert ! {sound}"
        for path, sound in SOUNDS.items()
    },
}


def report_capture(media: GstRtspServer.RTSPMedia) -> None:
    """Let its sender reports tell when something was taken, not when it was sent: an encoder takes time in between."""
    for element in media.get_element().get_parent().children:
        if element.get_factory().get_name() == "rtpbin":
            element.set_property("rtcp-sync-send-time", False)


def tell_beginning(_factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia, path: str) -> None:
    """Print when picture 0 and tick 0 were taken: each source begins as soon as it can, so that is not one instant."""

    def first(pad: Gst.Pad, probe: Gst.PadProbeInfo, name: str) -> Gst.PadProbeReturn:
        del pad
        print(path, name, probe.get_buffer().pts // 1000, flush=True)
        return Gst.PadProbeReturn.REMOVE

    media.connect("prepared", report_capture)
    for name in ("seen", "heard"):
        source = media.get_element().get_by_name(name)
        if source is not None:
            source.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, first, name)


def factory(path: str, encoder: str) -> GstRtspServer.RTSPMediaFactory:
    """One stream."""
    media = GstRtspServer.RTSPMediaFactory()
    media.set_launch(f"( {SOURCE} ! {encoder} )")
    media.set_shared(True)
    media.connect("media-configure", tell_beginning, path)
    permissions = GstRtspServer.RTSPPermissions.new()
    for role in ("user", "anonymous"):
        permissions.add_permission_for_role(role, "media.factory.access", True)
        permissions.add_permission_for_role(role, "media.factory.construct", True)
    media.set_permissions(permissions)
    return media


def guard(options: argparse.Namespace) -> GstRtspServer.RTSPAuth:
    """Who may look, and inside of what."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if options.tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options.tls))
    if not options.login:
        auth.set_default_token(token)
        return auth
    user, password, *kind = options.login
    if kind == ["basic"]:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    return auth


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("login", nargs="*")
    parser.add_argument("--tls")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(options.port)
    if options.login or options.tls:
        server.set_auth(guard(options))
    for path, encoder in ENCODERS.items():
        server.get_mount_points().add_factory(path, factory(path, encoder))
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
