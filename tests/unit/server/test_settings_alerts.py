"""Whom to tell: what the file may say, and that none of its secrets is ever shown."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from media.errors import ConfigError
from server.cli import build
from server.settings import Settings, parse_settings

SECRET = "hunter2-of-the-hook"

WHOLE = f"""
alerts:
  stopped_after: 1m
  webhook:
    url: https://alarms.example.org/hooks/{SECRET}
    secret: {SECRET}
    token: {SECRET}
  mail:
    server: mail.example.org
    username: hulta
    password: {SECRET}
    from: hulta@example.org
    to: [duty@example.org, it@example.org]
"""


def read(text: str) -> Settings:
    """Settings from a file called h.yaml."""
    return parse_settings(text, file="h.yaml", environment={})


def test_the_whole_section_is_read_and_goes_to_keep_alone() -> None:
    """Secrets through the pipe, and through the pipe of nobody who has no use for them."""
    settings = read(WHOLE)
    assert SECRET not in f"{settings} {settings!r}"
    for role in ("record", "ship", "serve"):
        assert SECRET.encode() not in settings.for_role(role)
    kept = Settings.model_validate_json(settings.for_role("keep")).alerts
    assert kept == settings.alerts
    assert kept.webhook is not None
    assert kept.webhook.url.get_secret_value() == f"https://alarms.example.org/hooks/{SECRET}"
    assert kept.mail is not None
    assert (kept.mail.tls, kept.mail.sender, kept.stopped_after) == ("starttls", "hulta@example.org", 60_000_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("webhook: {}", "alerts.webhook.url: is required"),
        (f"webhook: {{url: 'ftp://{SECRET}'}}", "alerts.webhook.url: must be a URL such as https://"),
        (f"webhook: {{url: 'https://u:{SECRET}@a/x'}}", "alerts.webhook.url: must hold no credentials; use `token`"),
        (f"webhook: {{url: 'https://a:port/{SECRET}'}}", "alerts.webhook.url: must be a URL"),
        (f"webhook: {{url: 'https://a/x', token: 'a {SECRET}'}}", "alerts.webhook.token: must be letters"),
        (f"webhook: {{url: 'https://a/x', token: \"a\\n{SECRET}\"}}", "alerts.webhook.token: must be letters"),
        ("mail: {server: a, to: [a@b]}", "alerts.mail.from: is required"),
        ("mail: {server: a, from: a@b, to: []}", "alerts.mail.to: "),
        ("mail: {server: a, from: a@b, to: ['a@b\\nBcc: c@d']}", "alerts.mail.to[0]: must be a mail address"),
        ("mail: {server: 'a:0', from: a@b, to: [a@b]}", "alerts.mail.server: must be a mail server and a port"),
        ("mail: {server: a, from: a@b, to: [a@b], username: u}", "alerts.mail: username and password need one another"),
        (
            f"mail: {{server: a, from: a@b, to: [a@b], username: u, password: {SECRET}, tls: none}}",
            "alerts.mail: a password is not sent without TLS",
        ),
        ("stopped_after: 0s", "alerts.stopped_after: must be a duration"),
        ("stoped_after: 9s", "alerts.stoped_after: unknown key; did you mean `stopped_after`?"),
    ],
)
def test_a_fault_names_the_field_and_never_the_value(text: str, message: str) -> None:
    """As everywhere in the file."""
    with pytest.raises(ConfigError) as caught:
        read(f"alerts:\n  {text}\n")
    assert f"h.yaml:2: {message}" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_config_check_says_who_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    """And what is not encrypted; neither path nor secret."""
    file = tmp_path_factory.mktemp("config") / "hulta.yaml"
    file.write_text(WHOLE)
    said = " ".join(CliRunner().invoke(build(), ["config", "check", str(file)]).output.split())
    assert "webhook https://alarms.example.org (signed, with a token)" in said
    assert "mail to duty@example.org, it@example.org through mail.example.org (STARTTLS)" in said
    assert "has stopped after 1m" in said
    assert SECRET not in said
    file.write_text("alerts: {webhook: {url: 'http://10.0.0.1/x'}}")
    assert "unencrypted" in CliRunner().invoke(build(), ["config", "check", str(file)]).output
    file.write_text("alerts: {}")
    assert "nobody is told" in CliRunner().invoke(build(), ["config", "check", str(file)]).output
