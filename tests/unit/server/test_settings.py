"""The configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from media.errors import ConfigError
from server.role import ROLES
from server.settings import Settings, parse_settings, read_settings

ROOT = Path(__file__).parents[3]
SECRET = "hunter2-canary"


def read(text: str) -> Settings:
    """Settings from a text; CAM_PASSWORD is set."""
    return parse_settings(text, file="h.yaml", environment={"CAM_PASSWORD": SECRET})


def refused(text: str) -> str:
    """The message with which a text is refused; it never holds a secret."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def camera(**fields: str) -> str:
    """A configuration with one camera, whose fields begin on line 5."""
    lines = "".join(f"        {key}: {value}\n" for key, value in {"url": "rtsp://10.0.0.1/x", **fields}.items())
    return f"sites:\n  - name: site\n    cameras:\n      - name: gate\n{lines}"


def test_an_empty_file_records_nothing_on_loopback() -> None:
    """Every default is safe."""
    settings = read("")
    assert (str(settings.host.listen), settings.catalog.url, settings.store.url) == (
        "127.0.0.1:8080",
        "sqlite",
        "directory",
    )
    assert (settings.segments.seconds, settings.sites, settings.spool.accept_loss) == (60, (), False)


def test_the_example_means_what_it_says() -> None:
    """The configuration that the project ships is read as its comments promise."""
    text = (ROOT / "examples" / "hulta.yaml").read_text()
    settings = read(text)
    (site,) = settings.sites
    (entry,) = site.cameras
    assert (site.name, site.networks, site.uplink) == ("boras-hulta-017", ("10.17.0.0/24",), 40_000_000)
    assert (entry.bitrate, entry.policy, entry.enabled) == (4_000_000, "default", True)
    assert (entry.address.username, entry.address.password) == ("hulta", SECRET)
    assert settings.policies["default"].keep_max == 62 * 86_400 * 1_000_000


def test_credentials_may_stand_in_the_url() -> None:
    """`rtsp://user:password@host` works, too."""
    (entry,) = read(camera(url="rtsp://u:${CAM_PASSWORD}@10.0.0.1/x")).sites[0].cameras
    assert (entry.address.username, entry.address.password) == ("u", SECRET)


def test_settings_do_not_print_their_secrets() -> None:
    """Not as text, not as repr, not in what is asked of pydantic."""
    settings = read(camera(username="u", password="${CAM_PASSWORD}"))
    in_url = read(camera(url="rtsp://u:${CAM_PASSWORD}@10.0.0.1/x"))
    assert SECRET not in f"{settings} {settings!r} {in_url} {in_url!r} {settings.sites[0].cameras[0].address!r}"


def test_a_catalogs_credentials_stand_beside_its_url() -> None:
    """Wherever the file has them; what is printed has them nowhere, and the roles get them by the pipe."""
    inside = read("catalog: {url: 'postgresql://hulta:${CAM_PASSWORD}@db.example/hulta'}\n")
    beside = read("catalog: {url: 'postgresql://db.example/hulta', username: hulta, password: '${CAM_PASSWORD}'}\n")
    assert inside.catalog.postgres == beside.catalog.postgres
    assert inside.catalog.postgres is not None
    assert (inside.catalog.postgres.username, inside.catalog.postgres.password) == ("hulta", SECRET)
    assert SECRET not in f"{inside} {inside!r} {beside!r} {inside.catalog.postgres} {inside.catalog.postgres!r}"
    assert Settings.model_validate_json(inside.for_role("ship")).catalog == inside.catalog


@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("url: postgresql://127.0.0.1/h", "disable"),
        ("url: 'postgresql://[::1]:5433/h'", "disable"),
        ("url: postgresql://localhost/h", "disable"),
        ("url: postgresql://db.example/h", "verify-full"),
        ("url: postgresql://10.0.0.1/h", "verify-full"),
        ("url: postgresql://db.example/h, sslmode: require", "require"),
    ],
)
def test_a_catalog_on_another_host_is_spoken_to_over_tls(place: str, mode: str) -> None:
    """And has to prove who it is, unless the file says otherwise."""
    address = read(f"catalog: {{{place}}}\n").catalog.postgres
    assert address is not None
    assert address.mode == mode


def test_what_the_roles_get_holds_no_camera() -> None:
    """The pipe to the children carries the host's settings; cameras are in the catalog."""
    text = "host: {name: rec-1}\nsegments: {seconds: 30}\n" + camera(username="u", password="${CAM_PASSWORD}")
    given = read(text).for_role("record")
    assert SECRET.encode() not in given
    assert Settings.model_validate_json(given).host.name == "rec-1"
    assert Settings.model_validate_json(given).segments.seconds == 30


def test_record_is_handed_no_password_but_the_cameras() -> None:
    """It hears cameras, so it is the process that a hostile one may take over."""
    text = (
        "store: {url: s3://bucket, endpoint: 'http://127.0.0.1:1', access_key: a, secret_key: '${CAM_PASSWORD}'}\n"
        "catalog: {url: postgresql://u@127.0.0.1/h, password: '${CAM_PASSWORD}'}\n"
    )
    told = {role: read(text).for_role(role) for role in ROLES}
    assert [role for role in ROLES if SECRET.encode() in told[role]] == ["ship", "keep", "serve"]


@pytest.mark.parametrize(("text", "name"), [("host: {name: rec-1}\n", "rec-1"), ("segments: {seconds: 30}\n", "")])
def test_a_role_knows_whether_the_file_names_the_host(text: str, name: str) -> None:
    """A machine's own name is no promise: a container has a new one each time."""
    given = Settings.model_validate_json(read(text).for_role("record"))
    assert given.host.given_name == name
    assert given.host.name == read(text).host.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hots: {}\n", "h.yaml:1: hots: unknown key; did you mean `host`?"),
        ("host:\n  name: a\n  lisen: b\n", "h.yaml:3: host.lisen: unknown key; did you mean `listen`?"),
        (
            "qqq: 1\n",
            "h.yaml:1: qqq: unknown key; known are host, catalog, store, spool, segments, alerts, policies, sites",
        ),
        ("host: {name: 17}\n", "h.yaml:1: host.name: must be text; put it in quotes"),
        ("host: {name: a/b}\n", "h.yaml:1: host.name: must be 1 to 64 letters"),
        ("host: {listen: 8080}\n", "h.yaml:1: host.listen: must be an address and a port"),
        ("host: {listen: example.com:80}\n", "h.yaml:1: host.listen: must listen on an IP address"),
        ("host: []\n", "h.yaml:1: host: must be a table of keys and values"),
        ("- 1\n", "h.yaml:1: must be a table of keys and values"),
        (
            "catalog: {url: mysql://db/hulta}\n",
            "h.yaml:1: catalog.url: must be postgresql://host/database, or `sqlite`",
        ),
        ("catalog: {url: postgresql://db}\n", "h.yaml:1: catalog.url: must be postgresql://host/database, or `sqlite`"),
        ("catalog: {url: 'postgresql://[::1/h'}\n", "h.yaml:1: catalog.url: must be postgresql://host/database"),
        ("catalog: {url: postgresql://db:x/h}\n", "h.yaml:1: catalog.url: has a port that is none"),
        ("catalog: {url: 'postgresql://db/h?sslmode=disable'}\n", "h.yaml:1: catalog.url: must end with the database;"),
        ("catalog: {url: postgresql://db/h, password: x}\n", "h.yaml:1: catalog.username: is needed with a password"),
        (
            "catalog: {url: postgresql://u@db/h, username: u}\n",
            "h.yaml:1: catalog.username: stands both here and in url",
        ),
        ("catalog: {username: u}\n", "h.yaml:1: catalog.username: is for a server, and url is `sqlite`"),
        ("catalog: {url: postgresql://db/h, sslmode: prefer}\n", "h.yaml:1: catalog.sslmode: "),
        (
            "catalog: {url: postgresql://localhost/h, ca: /x.pem}\n",
            "h.yaml:1: catalog.ca: is of no use with `sslmode: disable`",
        ),
        ("store:\n  url: s3://bucket\n", "h.yaml:1: store.endpoint: is needed, such as https://s3.example:9000"),
        ("store: {url: s3://Bucket}\n", "h.yaml:1: store.url: must be s3://BUCKET or s3://BUCKET/PREFIX"),
        ("store: {url: s3://bucket/../x}\n", "h.yaml:1: store.url: must be s3://BUCKET or s3://BUCKET/PREFIX"),
        ("store: {region: eu-north-1}\n", "h.yaml:1: store.region: is for a bucket, and url is `directory`"),
        (
            "store: {url: s3://bucket, endpoint: s3.example}\n",
            "h.yaml:1: store.endpoint: must be http:// or https://, a",
        ),
        ("store: {url: s3://bucket, region: x, access_key: a}\n", "h.yaml:1: store.secret_key: is needed; put it into"),
        (
            "store: {url: s3://bucket, region: x, access_key: a, secret_key: b, kms_key: c}\n",
            "h.yaml:1: store.kms_key: is of use with `encryption: aws:kms` only",
        ),
        ("spool: {accept_loss: maybe}\n", "h.yaml:1: spool.accept_loss: must be true or false"),
        ("segments: {seconds: 601}\n", "h.yaml:1: segments.seconds: must be less than or equal to 600"),
        ("segments: {seconds: 1.5}\n", "h.yaml:1: segments.seconds: must be a whole number"),
        ("segments: {seconds: yes}\n", "h.yaml:1: segments.seconds: must be a whole number"),
        ("policies:\n  default: {}\n", "h.yaml:2: policies.default.keep_max: is required"),
        ("policies: {a: {keep_max: 62}}\n", "h.yaml:1: policies.a.keep_max: must be a duration"),
        ("policies: {a: {keep_max: 62x}}\n", "h.yaml:1: policies.a.keep_max: must be a duration"),
        ("policies: {a: {keep_max: 1d, keep_min: 2d}}\n", "h.yaml:1: policies.a: keep_min is longer than keep_max"),
        ("sites: {}\n", "h.yaml:1: sites: must be a list"),
        ("sites:\n  - name: a\n  - name: A\n", "h.yaml:3: sites[1].name: another site has this name"),
        ("sites: [{name: a, networks: [10.0.0.1/24]}]\n", "h.yaml:1: sites[0].networks[0]: must be a network such as"),
        ("sites: [{name: a, uplink: 40Q}]\n", "h.yaml:1: sites[0].uplink: must be a bit rate"),
    ],
)
def test_a_fault_names_line_field_and_remedy(text: str, message: str) -> None:
    """Each fault of the file has its own sentence."""
    assert refused(text).startswith(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"url": "ftp://10.0.0.1/x"}, "5: sites[0].cameras[0].url: scheme 'ftp', but only rtsp"),
        ({"url": "http://10.0.0.1/x"}, "4: sites[0].cameras[0]: http:// is opened by `source: libav` only"),
        (
            {"url": "srt://10.0.0.1:9000", "source": "libav"},
            "5: sites[0].cameras[0].url: scheme 'srt', but only rtsp and rtsps are supported, and http, https,",
        ),
        ({"source": "vlc"}, "6: sites[0].cameras[0].source: must be 'rtsp' or 'libav'"),
        (
            {"source": "libav", "transport": "udp"},
            "4: sites[0].cameras[0]: transport is not for `source: libav`, which takes TCP",
        ),
        ({"url": "exec:cat ${CAM_PASSWORD}"}, "5: sites[0].cameras[0].url: it has blanks"),
        ({"url": "${CAM_PASSWORD}"}, "5: sites[0].cameras[0].url: no scheme"),
        ({"url": "17"}, "5: sites[0].cameras[0].url: no scheme"),
        ({"username": "u", "password": "12345"}, "7: sites[0].cameras[0].password: must be text; put it in quotes"),
        ({"password": "${CAM_PASSWORD}"}, "4: sites[0].cameras[0]: password needs username"),
        ({"username": "u" * 257}, "4: sites[0].cameras[0]: camera URL: a name or password of more than 256"),
        ({"url": "rtsp://a:b@10.0.0.1/", "username": "u"}, "4: sites[0].cameras[0]: credentials stand both in url and"),
        ({"bitrate": "fast"}, "6: sites[0].cameras[0].bitrate: must be a bit rate"),
        ({"id": "seventeen"}, "6: sites[0].cameras[0].id: must be a UUID"),
        ({"policy": "nope"}, "6: sites[0].cameras[0].policy: names no entry of `policies`"),
        ({"transport": "sctp"}, "6: sites[0].cameras[0].transport: must be 'tcp' or 'udp'"),
        ({"tls_ca": "ca.pem"}, "6: sites[0].cameras[0].tls_ca: must be the whole path of a file"),
        (
            {"tls_ca": "/ca.pem"},
            "4: sites[0].cameras[0]: tls_ca and tls_pin are of use with an encrypted url only, such as rtsps://",
        ),
        (
            {"url": "rtsps://10.0.0.1/x", "transport": "udp"},
            "4: sites[0].cameras[0]: with rtsps, packets over udp would not be encrypted",
        ),
        ({"tls_pin": "sha256/AAAA"}, "6: sites[0].cameras[0].tls_pin: must be `sha256/` and the SHA-256 of the"),
        ({"audio": "loud"}, "6: sites[0].cameras[0].audio: must be true or false"),
        (
            {"source": "libav", "audio": "true"},
            "4: sites[0].cameras[0]: audio is not for `source: libav`, which brings pictures alone",
        ),
        ({"sub_url": "rtsp://10.0.0.1/y"}, "6: sites[0].cameras[0].sub_url: is not served by this version"),
        ({"class": "best"}, "6: sites[0].cameras[0].class: must be 'low', 'normal' or 'high'"),
        ({"urls": "x"}, "6: sites[0].cameras[0].urls: unknown key; did you mean `url`?"),
    ],
)
def test_a_fault_of_a_camera_names_the_camera(fields: dict[str, str], message: str) -> None:
    """Cameras are many; the message leads to the one that is meant."""
    assert refused(camera(**fields)).startswith(f"h.yaml:{message}")


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    """Nobody has to run the check ten times."""
    lines = refused("policies: {a: {keep_max: 1x}}\n" + camera(bitrate="x", id="y")).splitlines()
    assert [line.split(":")[1] for line in lines] == ["1", "7", "8"]


def test_a_camera_may_not_be_called_like_an_id() -> None:
    """A name is accepted wherever an id is, so it must not be one."""
    text = "sites: [{name: a, cameras: [{name: 00000000-0000-4000-8000-000000000000, url: rtsp://a}]}]"
    assert "must not look like an id" in refused(text)


def test_two_cameras_may_not_share_name_or_id() -> None:
    """Also across sites, and whatever the case of the letters."""
    one = "{name: A, cameras: [{name: Gate, url: rtsp://a}]}"
    assert "sites[1].cameras[0].name: another camera" in refused(
        f"sites: [{one}, {{name: B, cameras: [{{name: gate, url: rtsp://b}}]}}]"
    )
    same = "id: 00000000-0000-4000-8000-000000000000"
    assert "id: another camera" in refused(
        f"sites: [{{name: a, cameras: [{{name: x, url: rtsp://a, {same}}}, {{name: y, url: rtsp://b, {same}}}]}}]"
    )


def test_numbers_may_come_from_the_environment() -> None:
    """What a variable brings is text, and a number where one is wanted."""
    settings = parse_settings("segments: {seconds: '${S}'}", file="h.yaml", environment={"S": "30"})
    assert settings.segments.seconds == 30


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, a directory, or not text."""
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, reason in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory"), (binary, "not UTF-8")):
        with pytest.raises(ConfigError, match=reason):
            read_settings(path)
