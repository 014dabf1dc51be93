"""The links to the object store and to the database, each of which leads through a fault proxy.

Which links there are follows from the product's configuration: `store.endpoint` and `catalog.url`. The product is told
the proxy's address, the storm itself asks the server.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from media.errors import ConfigError
from storm.proxy import Bandwidth, Down, FaultProxy, Latency, LinkFault, Vanished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simulator.faults import Fault

STORE, CATALOG = "store", "catalog"
WRITES = {STORE: b"PUT ", CATALOG: b"COMMIT"}
"""What a request has in it that changes something on the other side."""

_PORTS = {"http": 80, "postgresql": 5432, "postgres": 5432}
_ADDRESSES = {STORE: "endpoint", CATALOG: "url"}


class Links:
    """The proxies of a storm. `config` is the product's configuration with their addresses in it."""

    def __init__(self, proxies: Mapping[str, FaultProxy], config: Mapping[str, Any]) -> None:
        self._proxies = proxies
        self.config = config

    def begin(self, link: str, fault: Fault) -> Callable[[], None]:
        """A fault happens, or lasts until what is returned is called, once or more often."""
        proxy = self._proxies[link]
        if fault.name == "link-reset":
            proxy.reset()
        elif fault.name == "link-lost-answers":
            proxy.lose_answers(to=WRITES[link], count=fault.number("count"))
        else:
            lasting = ExitStack()
            lasting.enter_context(proxy.suffering(*_suffered(fault)))
            return lasting.close
        return lambda: None


def link_names(config: Mapping[str, Any]) -> set[str]:
    """The links of a product with this configuration; none where it is SQLite and a directory."""
    return {link for link in _ADDRESSES if _address(link, config) is not None}


@contextmanager
def proxied(config: Mapping[str, Any]) -> Iterator[Links]:
    """Every link of a configuration through a proxy, for the length of a block."""
    with ExitStack() as proxies:
        found: dict[str, FaultProxy] = {}
        rewritten = dict(config)
        for link, key in _ADDRESSES.items():
            if (address := _address(link, config)) is None:
                continue
            url = urlsplit(address)
            assert url.hostname is not None
            found[link] = proxies.enter_context(FaultProxy(url.hostname, url.port or _PORTS[url.scheme]))
            login, at, _server = url.netloc.rpartition("@")
            through = url._replace(netloc=f"{login}{at}127.0.0.1:{found[link].port}").geturl()
            rewritten[link] = {**config[link], key: through}
        yield Links(found, rewritten)


def _address(link: str, config: Mapping[str, Any]) -> str | None:
    """Where the server of a link is. ConfigError where no proxy could stand in for it."""
    address = config.get(link, {}).get(_ADDRESSES[link])
    if address is None or "://" not in address:
        return None
    url = urlsplit(address)
    if url.scheme not in _PORTS or not url.hostname:
        raise ConfigError(
            f"{link}.{_ADDRESSES[link]}: a storm reaches servers by {', '.join(_PORTS)}, not by {url.scheme}",
            hint="faults of links cannot be made inside TLS: give the storm a server of its own without it",
        )
    return str(address)


def _suffered(fault: Fault) -> list[LinkFault]:
    if fault.name == "link-down":
        return [Down()]
    if fault.name == "link-vanished":
        return [Vanished()]
    milliseconds = max(1, fault.number("latency") // 1000)
    return [Latency(ms=milliseconds), Bandwidth(bits_per_s=fault.number("rate"))]
