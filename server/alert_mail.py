"""Alerts as a mail, through the administrator's own server (RFC 6409). TLS is left out only if that was asked for."""

from __future__ import annotations

import re
import smtplib
import ssl
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING

import structlog

from server.alert_channel import AlertNotSentError
from server.settings_alerts import mail_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.alert import Alert
    from server.settings_alerts import MailRules
    from storage.clock import Clock

TIMEOUT_S = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger(__name__)


class Mail:
    """A `Sender`: one mail for a batch."""

    name = "mail"

    def __init__(self, rules: MailRules, host: str, clock: Clock) -> None:
        self._rules = rules
        self._host = host
        self._clock = clock

    def send(self, alerts: Sequence[Alert]) -> None:
        """See `Sender.send`: taken once the server has taken it for one recipient; those it refuses are logged.

        To try again for those would send it again to all others, every minute for a day.
        """
        server, port = mail_server(self._rules.server)
        try:
            with self._connection(server, port) as connection:
                self._log_in(connection)
                refused = connection.send_message(self.message(alerts))
        except smtplib.SMTPResponseException as error:
            raise AlertNotSentError(f"{server}: it answers {error.smtp_code} to {_step(error)}") from None
        except smtplib.SMTPRecipientsRefused:
            raise AlertNotSentError(f"{server}: it takes no mail for any recipient") from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise AlertNotSentError(f"{server}: {_why(error)}") from None
        if refused:
            log.error("alert_recipients_refused", server=server, recipients=len(refused), of=len(self._rules.to))

    def message(self, alerts: Sequence[Alert]) -> EmailMessage:
        """What is sent. A camera's name is text of its own here, never a header's."""
        message = EmailMessage()
        message["Subject"] = _line(f"[hulta {self._host}] {_subject(alerts)}")
        message["From"] = self._rules.sender
        message["To"] = ", ".join(self._rules.to)
        message["Date"] = format_datetime(_EPOCH + timedelta(microseconds=self._clock.wall_us()))
        message["Message-ID"] = make_msgid(domain=_domain(self._host))
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers
        message.set_content("".join(f"{_line(alert.words)}\n" for alert in alerts))
        return message

    def _connection(self, server: str, port: int) -> smtplib.SMTP:
        own = _domain(self._host)
        if self._rules.tls == "tls":
            return smtplib.SMTP_SSL(server, port, own, timeout=TIMEOUT_S, context=self._trust())
        connection = smtplib.SMTP(server, port, own, timeout=TIMEOUT_S)
        try:
            if self._rules.tls == "starttls":
                connection.starttls(context=self._trust())
        except BaseException:
            connection.close()
            raise
        return connection

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._rules.ca)

    def _log_in(self, connection: smtplib.SMTP) -> None:
        if self._rules.username is not None and self._rules.password is not None:
            connection.login(self._rules.username, self._rules.password.get_secret_value())


def _subject(alerts: Sequence[Alert]) -> str:
    if len(alerts) == 1:
        return alerts[0].words.partition(", since ")[0]
    begun = sum(not alert.over for alert in alerts)
    return f"{begun} begun, {len(alerts) - begun} over"


def _line(text: str) -> str:
    """One line of printable text: what a camera says of itself comes through here."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:400]


def _domain(host: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "-", host).strip("-.") or "hulta"


def _step(error: smtplib.SMTPResponseException) -> str:
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "the login"
    return "the sender" if isinstance(error, smtplib.SMTPSenderRefused) else "the mail"


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no STARTTLS, or no login; nothing was sent in the clear"
    if isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException):
        return error.strerror or type(error).__name__
    return type(error).__name__
