"""Links of a storm: which there are, what the product is told, and what they suffer, over real connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from media.errors import ConfigError
from simulator.faults import Fault, make_fault
from simulator.script import Script, Step
from storm.links import Links, link_names, proxied
from storm.plan import blows
from storm.strikes import Strikes
from storm.waiting import wall_us


@contextmanager
def echo() -> Iterator[int]:
    """A server that says back whatever it hears; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        def answer(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                while heard := connection.recv(4096):
                    connection.sendall(heard)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def config_of(store: int, catalog: int) -> dict[str, Any]:
    """As the product has it."""
    return {
        "store": {"url": "s3://footage/one", "endpoint": f"http://127.0.0.1:{store}", "secret_key": "k"},
        "catalog": {"url": f"postgresql://hulta:p%40ss@127.0.0.1:{catalog}/hulta?application_name=x"},
        "policies": {},
    }


def port_of(config: dict[str, Any], link: str) -> int:
    """Where the product finds the server of a link."""
    address = config["store"]["endpoint"] if link == "store" else config["catalog"]["url"].rpartition("/")[0]
    return int(address.rpartition(":")[2])


def said(port: int, words: bytes) -> bytes:
    """What a server answers; nothing if the connection breaks."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(words)
            return connection.recv(100)
    except ConnectionError:
        return b""


def test_the_product_is_told_the_address_of_a_proxy() -> None:
    """Host and port alone are another; logins, database and everything else stay."""
    with echo() as store, echo() as catalog, proxied(config_of(store, catalog)) as links:
        assert port_of(links.config, "store") not in {store, catalog}
        assert links.config == config_of(port_of(links.config, "store"), port_of(links.config, "catalog"))
        for link in ("store", "catalog"):
            assert said(port_of(links.config, link), b"hello") == b"hello"


@pytest.mark.parametrize("config", [{}, {"store": {}, "catalog": {}}, {"store": {"url": "directory"}}])
def test_the_embedded_default_has_no_links(config: dict[str, Any]) -> None:
    """SQLite and a directory."""
    assert link_names(config) == set()
    with proxied(config) as links:
        assert links.config == config


def test_a_link_inside_tls_is_refused() -> None:
    """No certificate would fit, and no answer could be recognised."""
    config = {"store": {"url": "s3://footage", "endpoint": "https://s3.example"}}
    with pytest.raises(ConfigError, match=r"store\.endpoint: a storm reaches servers by http"), proxied(config):
        pass


class Product:
    """Its links, and no processes."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def strain(self, what: str, fault: Fault) -> Callable[[], None]:
        """As the real one, without a disk."""
        return self._links.begin(what, fault)

    def role(self, name: str) -> None:
        """There is none."""
        raise AssertionError(name)

    def kill(self, *_: object) -> None:
        """There is none."""
        raise AssertionError

    def require_simulator(self) -> None:
        """It is there."""


def test_a_script_takes_the_store_away_and_gives_it_back() -> None:
    """The one link and not the other; for as long as it says, which the storm notes."""
    step = Step(at_us=0, for_us=300_000, fault=make_fault("link-down", {"link": "store"}))
    with echo() as store, echo() as catalog, proxied(config_of(store, catalog)) as links:
        heard: list[tuple[bytes, bytes]] = []
        ports = [port_of(links.config, link) for link in ("store", "catalog")]
        strikes = Strikes(Product(links), lambda _line: heard.append((said(ports[0], b"s"), said(ports[1], b"c"))))
        strikes.run(blows(Script((step,)), {}, seed=1), wall_us())
        assert heard == [(b"", b"c")]
        assert said(ports[0], b"s") == b"s"
    (strike,) = strikes.done
    assert (strike.kind, strike.role, strike.step) == ("link-down", "store", 1)
    assert strike.end_us - strike.at_us >= 300_000


def test_the_answer_to_a_write_is_lost_and_to_a_read_is_not() -> None:
    """Once, as the script says; the server has it all the same."""
    step = Step(at_us=0, fault=make_fault("link-lost-answers", {"link": "catalog"}))
    with echo() as store, echo() as catalog, proxied(config_of(store, catalog)) as links:
        Strikes(Product(links), lambda _line: None).run(blows(Script((step,)), {}, seed=1), wall_us())
        port = port_of(links.config, "catalog")
        assert said(port, b"SELECT 1") == b"SELECT 1"
        assert said(port, b"COMMIT") == b""
        assert said(port, b"COMMIT") == b"COMMIT"


def test_an_interrupted_storm_leaves_no_link_ill() -> None:
    """However it ends."""
    said_so_far: list[str] = []
    step = Step(at_us=0, for_us=60_000_000, fault=make_fault("link-vanished", {"link": "store"}))

    def stop(line: str) -> None:
        said_so_far.append(line)
        if len(said_so_far) == 2:
            raise KeyboardInterrupt

    second = Step(at_us=1000, fault=make_fault("link-reset", {"link": "catalog"}))
    with echo() as store, echo() as catalog, proxied(config_of(store, catalog)) as links:
        strikes = Strikes(Product(links), stop)
        with pytest.raises(KeyboardInterrupt):
            strikes.run(blows(Script((step, second)), {}, seed=1), wall_us())
        assert said(port_of(links.config, "store"), b"s") == b"s"
