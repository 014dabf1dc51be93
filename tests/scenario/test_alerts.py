"""Alerts that reach a real web server and a real mail server, or wait until they do."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from server.alert_channel import MOST_WAITING
from server.alerting import Alerting, alerting
from server.settings import Settings, parse_settings
from server.status_socket import answering
from storage.clock import FakeClock
from storage.layout import Layout
from tests.alert_receivers import LOGIN, mail_receiver, make_certificate, tls_context, web_receiver
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRET, TOKEN, HOOK_PATH = "s3cret-hmac", "s3cret-token", "/hooks/s3cret-path"


class City:
    """A recorder's answers, and the service that watches them."""

    def __init__(self, root: Path, settings: Settings) -> None:
        self.data = Layout(root)
        self.data.socket("record").parent.mkdir(exist_ok=True)
        self.settings = settings
        self.clock = FakeClock()
        self.streams: dict[str, dict[str, Any]] = {}
        self.camera("gate")

    def camera(self, name: str, **said: Any) -> None:
        """What the recorder says of a camera from now on."""
        known = {"camera": name, "name": name, "state": "recording", "reason": None, "detail": None}
        self.streams[name] = {**known, **self.streams.get(name, {}), **said}

    def stop_camera(self, name: str) -> None:
        """It is gone."""
        self.camera(name, state="failed", reason="unreachable", detail="10.0.0.1:554 does not answer within 3 s")

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[Alerting]:
        """One life of the service, its channels running."""
        service = alerting(self.settings, self.data, self.clock)
        assert service is not None
        stop = asyncio.Event()
        async with answering(self.data.socket("record"), lambda: {"run": "aa", "streams": self.streams}):
            delivering = asyncio.ensure_future(service.deliver(stop))
            try:
                yield service
            finally:
                stop.set()
                async with asyncio.timeout(5):
                    await delivering

    async def pass_time(self, service: Alerting, seconds: int) -> None:
        """With a look every 2 s."""
        for _ in range(0, seconds, 2):
            await service.look()
            self.clock.advance(2_000_000)


def configured(**channels: str) -> Settings:
    """A host with these channels, as the file says them."""
    lines = "".join(f"  {name}: {text}\n" for name, text in channels.items())
    return parse_settings(f"host: {{name: rec-1}}\nalerts:\n{lines}", file="h.yaml", environment={})


def webhook_at(port: int, scheme: str = "http", more: str = "") -> str:
    """The receiver's address as the file has it."""
    return f"{{url: '{scheme}://127.0.0.1:{port}{HOOK_PATH}', secret: {SECRET}, token: {TOKEN}{more}}}"


def texts(city: City) -> list[str]:
    """What waits in the file."""
    waiting = json.loads((city.data.root / "alerts.json").read_text())["waiting"]
    return [alert["id"] for alerts in waiting.values() for alert in alerts]


async def test_a_camera_that_stops_is_told_over_https_and_told_again_when_it_is_back(tmp_path: Path) -> None:
    """Signed, with its token, to a receiver whose certificate is checked; and nothing twice."""
    certificate = make_certificate(tmp_path)
    with web_receiver(tls_context(certificate)) as receiver:
        city = City(tmp_path, configured(webhook=webhook_at(receiver.port, "https", f", ca: {certificate[0]}")))
        async with city.watched() as service:
            await city.pass_time(service, 4)
            city.stop_camera("gate")
            await city.pass_time(service, 60)
            await eventually("it was told", lambda: len(receiver.posted) == 1)
            city.camera("gate", state="recording", reason=None, detail=None)
            await city.pass_time(service, 60)
            await eventually("it was told again", lambda: len(receiver.posted) == 2)
    first, second = receiver.posted
    assert (first.path, first.headers["Authorization"]) == (HOOK_PATH, f"Bearer {TOKEN}")
    stamp, signature = (part.partition("=")[2] for part in first.headers["Hulta-Signature"].split(","))
    signed = hmac.new(SECRET.encode(), stamp.encode() + b"." + first.body, hashlib.sha256)
    assert signature == signed.hexdigest()
    body = json.loads(first.body)
    (begun,), (over,) = body["alerts"], json.loads(second.body)["alerts"]
    assert body["host"] == "rec-1"
    assert (begun["kind"], begun["state"], begun["name"], begun["reason"]) == (
        "stopped",
        "begun",
        "gate",
        "unreachable",
    )
    assert begun["text"].startswith(
        "gate does not record (unreachable: 10.0.0.1:554 does not answer within 3 s), since"
    )
    assert (over["state"], over["id"].split(".")[0]) == ("over", begun["id"].split(".")[0])


async def test_a_redirect_is_not_followed_and_a_failure_is_tried_again(tmp_path: Path) -> None:
    """Neither token nor alert goes anywhere else; later it is taken, once."""
    with web_receiver() as elsewhere, web_receiver() as receiver:
        receiver.answers, receiver.location = [307, 302, 503], f"http://127.0.0.1:{elsewhere.port}/"
        city = City(tmp_path, configured(webhook=webhook_at(receiver.port)))
        async with city.watched() as service:
            city.stop_camera("gate")
            await city.pass_time(service, 12)  # no longer: an attempt that failed by then would be tried again
            for failures in (1, 2, 3):
                await eventually(
                    "it failed and waits",
                    lambda n=failures: (
                        service.state()["channels"]["webhook"]["failures"] == n and city.clock.sleepers == 1
                    ),
                )
                assert len(texts(city)) == 1
                city.clock.advance(8_000_000)
            await eventually("it was taken", lambda: service.state()["channels"]["webhook"]["sent"] == 1)
        assert texts(city) == []
        assert elsewhere.posted == []
        assert len({post.body.split(b'"alerts"')[1] for post in receiver.posted}) == 1


async def test_many_cameras_at_once_are_few_messages(tmp_path: Path) -> None:
    """A site without power: 120 alerts in batches of 50, each once."""
    with web_receiver() as receiver:
        city = City(tmp_path, configured(webhook=webhook_at(receiver.port)))
        async with city.watched() as service:
            for number in range(120):
                city.stop_camera(f"camera-{number}")
            await city.pass_time(service, 14)
            await eventually("all were told", lambda: service.state()["channels"]["webhook"]["sent"] == 120)
    told = [alert["name"] for post in receiver.posted for alert in json.loads(post.body)["alerts"]]
    assert len(receiver.posted) == 3
    assert sorted(told) == sorted(f"camera-{number}" for number in range(120))


async def test_a_mail_goes_out_over_starttls_with_a_login(tmp_path: Path) -> None:
    """To every recipient; a name with a line break in it makes no header."""
    certificate = make_certificate(tmp_path)
    with mail_receiver(tls_context(certificate)) as receiver:
        city = City(tmp_path, configured(mail=mail_at(receiver.port, f", ca: {certificate[0]}")))
        async with city.watched() as service:
            city.camera("gate\nBcc: all@example.org")
            city.stop_camera("gate\nBcc: all@example.org")
            await city.pass_time(service, 14)
            await eventually("it was taken", lambda: receiver.mails)
    (mail,) = receiver.mails
    assert receiver.recipients == [["a@example.org", "b@example.org"]]
    assert mail["Subject"] == (
        "[hulta rec-1] gate?Bcc: all@example.org does not record (unreachable: 10.0.0.1:554 does not answer within 3 s)"
    )
    assert (mail["From"], mail["Bcc"], mail["Auto-Submitted"]) == ("hulta@example.org", None, "auto-generated")
    assert "does not record" in mail.get_content()


def mail_at(port: int, more: str = "") -> str:
    """The mail server as the file has it."""
    login = f"username: {LOGIN[0]}, password: {LOGIN[1]}"
    return f"{{server: '127.0.0.1:{port}', {login}, from: hulta@example.org, to: [a@example.org, b@example.org]{more}}}"


async def test_without_trust_nothing_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown certificate, a mail server without STARTTLS: no alert, no password, no secret in any word of it."""
    certificate = make_certificate(tmp_path)
    with web_receiver(tls_context(certificate)) as web, mail_receiver(None) as mail:
        city = City(tmp_path, configured(webhook=webhook_at(web.port, "https"), mail=mail_at(mail.port)))
        async with city.watched() as service:
            city.stop_camera("gate")
            await city.pass_time(service, 14)
            channels = service.state()["channels"]
            await eventually("both failed", lambda: all(c["failures"] for c in service.state()["channels"].values()))
            channels = service.state()["channels"]
            assert "certificate is not trusted" in channels["webhook"]["error"]
            assert "no STARTTLS" in channels["mail"]["error"]
        assert (web.posted, mail.mails) == ([], [])
    output = capsys.readouterr()
    said = f"{service.state()} {caplog.text} {output.out} {output.err}"
    assert "alerts_not_sent" in said
    for secret in (SECRET, TOKEN, "s3cret-path", LOGIN[1]):
        assert secret not in said


async def test_what_was_not_sent_outlives_the_process_and_what_was_is_not_repeated(tmp_path: Path) -> None:
    """The mail server is down for the whole life of the first process, the webhook is not."""
    with web_receiver() as web:
        with mail_receiver(None) as later:
            port = later.port
        city = City(tmp_path, configured(webhook=webhook_at(web.port), mail=plain_mail_at(port)))
        async with city.watched() as service:
            city.stop_camera("gate")
            await city.pass_time(service, 14)
            await eventually("the webhook has it", lambda: service.state()["channels"]["webhook"]["sent"] == 1)
        with mail_receiver(None, port=port) as mail:
            async with city.watched() as service:
                await city.pass_time(service, 60)
                await eventually("the mail is out", lambda: mail.mails)
        assert (len(web.posted), len(mail.mails)) == (1, 1)


def plain_mail_at(port: int) -> str:
    """Without TLS and login."""
    return f"{{server: '127.0.0.1:{port}', from: hulta@example.org, to: [a@example.org], tls: none}}"


async def test_a_receiver_that_never_answers_delays_no_other_and_no_end(tmp_path: Path) -> None:
    """It takes the connection and is silent; the mail is out meanwhile, and the process ends when it should."""
    with socket.create_server(("127.0.0.1", 0)) as silent, mail_receiver(None) as mail:
        webhook = webhook_at(silent.getsockname()[1])
        city = City(tmp_path, configured(webhook=webhook, mail=plain_mail_at(mail.port)))
        async with city.watched() as service:
            city.stop_camera("gate")
            await city.pass_time(service, 14)
            await eventually("the mail is out", lambda: mail.mails)
            assert service.state()["channels"]["webhook"]["waiting"] == 1


async def test_what_waits_is_bounded_and_what_is_dropped_is_counted(tmp_path: Path) -> None:
    """Nobody takes alerts for long: the oldest go, and the file stays small."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        city = City(tmp_path, configured(webhook=webhook_at(silent.getsockname()[1])))
        async with city.watched() as service:
            for number in range(MOST_WAITING + 20):
                city.stop_camera(f"camera-{number}")
            await city.pass_time(service, 14)
            channel = service.state()["channels"]["webhook"]
            assert (channel["waiting"], channel["dropped"]) == (MOST_WAITING, 20)
            assert len(texts(city)) == MOST_WAITING


async def test_a_file_that_cannot_be_read_or_written_stops_no_alert(tmp_path: Path) -> None:
    """It is told once more, that is all."""
    (tmp_path / "alerts.json").write_text('{"version": 1, "opened": {"x": 3}}')
    (tmp_path / ".alerts.json.new").mkdir()
    with web_receiver() as receiver:
        city = City(tmp_path, configured(webhook=webhook_at(receiver.port)))
        async with city.watched() as service:
            city.stop_camera("gate")
            await city.pass_time(service, 14)
            await eventually("it was told", lambda: receiver.posted)


def test_nobody_to_tell_is_no_service(tmp_path: Path) -> None:
    """And costs nothing."""
    assert alerting(parse_settings("", file="h.yaml", environment={}), Layout(tmp_path), FakeClock()) is None
