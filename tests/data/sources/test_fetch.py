"""Fetching politely: a real server on loopback, and a clock that does not wait."""

from __future__ import annotations

import datetime as dt
import email.utils
import gzip
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from web_site import Clock, Reply, Site, web_site

from luthier.data.sources._address import FetchError
from luthier.data.sources._fetch import LONGEST_WAIT_S, Answer, Fetcher, FetchSpec, World

INSIDE = FetchSpec(allow_private=True, delay_s=2.0, retries=3, timeout_s=5.0)
HTML = ("text/html", "text/plain")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _world(clock: Clock, addresses: Callable[[str], list[str]] | None = None) -> World:
    def find(host: str, port: int) -> list[str]:
        return addresses(host) if addresses else ["127.0.0.1"]

    return World(now=clock.now, date=clock.now, sleep=clock.sleep, resolve=find)


def _get(
    site: Site, path: str = "/a", spec: FetchSpec = INSIDE, clock: Clock | None = None
) -> Answer:
    with Fetcher(spec, _world(clock or Clock())) as fetcher:
        return fetcher.fetch(site.url + path, HTML)


def _refusal(site: Site, path: str = "/a", spec: FetchSpec = INSIDE) -> FetchError:
    with pytest.raises(FetchError) as caught:
        _get(site, path, spec)
    return caught.value


def test_a_page_and_how_we_name_ourselves() -> None:
    headers = {"Content-Type": 'text/html; Charset="UTF-8"', "ETag": '"7"', "Last-Modified": "then"}
    spec = INSIDE.model_copy(update={"contact": "https://example.org/us"})
    with web_site(_a=Reply("hello", headers=headers)) as site:
        assert _get(site, spec=spec) == Answer(
            f"{site.url}/a", b"hello", "text/html", "utf-8", '"7"', "then"
        )
        assert site.asked == ["/robots.txt", "/a"]
        assert all("Luthier/" in h["user-agent"] for h in site.headers)
        assert "(+https://example.org/us)" in site.headers[1]["user-agent"]
        assert site.headers[1]["host"] == site.url.removeprefix("http://")


def test_the_pace_of_a_host() -> None:
    clock = Clock()
    pages = {"_a": Reply("a"), "_b": Reply("b")}
    with web_site(**pages) as site, Fetcher(INSIDE, _world(clock)) as fetcher:
        for path in ("/a", "/b", "/a"):
            fetcher.fetch(site.url + path, HTML)
    assert clock.slept == [2.0, 2.0, 2.0], "robots.txt, then three pages"


def test_the_delay_that_the_site_asks_for() -> None:
    clock = Clock()
    robots = Reply("User-agent: *\nCrawl-delay: 7")
    pages = {"robots__txt": robots, "_a": Reply("a"), "_b": Reply("b")}
    with web_site(**pages) as site, Fetcher(INSIDE, _world(clock)) as fetcher:
        fetcher.fetch(f"{site.url}/a", HTML)
        fetcher.fetch(f"{site.url}/b", HTML)
    assert clock.slept == [2.0, 7.0]
    with web_site(robots__txt=Reply("User-agent: *\nCrawl-delay: 9999")) as site:
        assert _refusal(site).reason == "crawl delay too long"
        assert site.asked == ["/robots.txt"]


def test_robots_forbid() -> None:
    robots = Reply("User-agent: luthier\nDisallow: /a")
    moved = Reply(status=302, headers={"Location": "/a"})
    with web_site(robots__txt=robots, _a=Reply("a"), _b=moved) as site:
        assert _refusal(site, "/a").reason == "robots.txt forbids it"
        assert _refusal(site, "/b").reason == "robots.txt forbids it"
        assert "/a" not in site.asked


def test_robots_that_cannot_be_read_forbid_all() -> None:
    with web_site(robots__txt=Reply(status=500), _a=Reply("a")) as site:
        error = _refusal(site)
        assert (error.reason, error.again) == ("robots.txt cannot be read", True)
        assert "/a" not in site.asked
    with web_site(robots__txt=Reply(status=403), _a=Reply("a")) as site:
        assert _get(site).content == b"a", "RFC 9309: no rules when they are not to be had"


def test_an_overloaded_server_is_given_the_time_it_asks_for() -> None:
    clock = Clock()
    later = Reply(status=503, headers={"Retry-After": "30"})
    date = email.utils.formatdate(clock.now() + 2 + 30 + 2 + 50, usegmt=True)
    dated = Reply(status=429, headers={"Retry-After": date})
    with web_site(_a=[later, dated, Reply("at last")]) as site:
        assert _get(site, clock=clock).content == b"at last"
    assert site.asked == ["/robots.txt", "/a", "/a", "/a"]
    assert clock.slept[:2] == [2.0, 30.0]
    assert 40 <= sum(clock.slept[2:]) <= 60


def test_back_off_grows_and_ends() -> None:
    clock = Clock()
    spec = INSIDE.model_copy(update={"delay_s": 0.0, "retries": 4})
    with web_site(_a=Reply(status=500)) as site, pytest.raises(FetchError) as caught:
        _get(site, spec=spec, clock=clock)
    assert (caught.value.reason, caught.value.again) == ("server error", True)
    assert site.asked.count("/a") == 5
    assert len(clock.slept) == 4
    assert all(2**n / 2 <= waited <= 2**n for n, waited in enumerate(clock.slept))
    assert len({round(w / 2**n, 3) for n, w in enumerate(clock.slept)}) > 1, "jitter"


def test_who_asks_for_too_much_time_is_left() -> None:
    reply = Reply(status=429, headers={"Retry-After": str(int(LONGEST_WAIT_S) + 1)})
    with web_site(_a=reply) as site:
        error = _refusal(site)
        assert (error.reason, error.again) == ("too many requests", True)
        assert site.asked.count("/a") == 1


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    site = Site(f"http://127.0.0.1:{port}", {})
    clock = Clock()
    with Fetcher(INSIDE, _world(clock)) as fetcher:
        for _ in range(3):
            with pytest.raises(FetchError) as caught:
                fetcher.fetch(f"{site.url}/a", HTML)
            assert (caught.value.reason, caught.value.again) == ("no answer", True)
    assert len(clock.slept) <= 6, "a dead host is tried once, not for every page"


def test_redirects_are_followed_and_bounded() -> None:
    moved = Reply(status=301, headers={"Location": "b#part"})
    loop = Reply(status=302, headers={"Location": "/loop"})
    away = Reply(status=302, headers={"Location": "file:///etc/passwd"})
    lost = Reply(status=302)
    with web_site(_a=moved, _b=Reply("b"), _loop=loop, _away=away, _lost=lost) as site:
        assert _get(site).url == f"{site.url}/b"
        assert _refusal(site, "/loop").reason == "too many redirects"
        assert site.asked.count("/loop") == INSIDE.max_redirects + 1
        assert _refusal(site, "/away").reason == "not a web address"
        assert _refusal(site, "/lost").reason == "damaged answer"


@pytest.mark.parametrize("packed", [False, True])
def test_huge_pages_are_not_read_to_the_end(packed: bool) -> None:
    body = b"x" * 300_000
    headers = {"Content-Encoding": "gzip"} if packed else {}
    spec = INSIDE.model_copy(update={"max_bytes": 100_000})
    with web_site(_a=Reply(gzip.compress(body) if packed else body, headers=headers)) as site:
        assert _refusal(site, spec=spec).reason == "page too large"
        assert _get(site).content == body


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("x", headers={"Content-Type": "image/png"}), "wrong kind of content"),
        (Reply("x", 404), "page not found"),
        (Reply("x", 410), "page not found"),
        (Reply("x", 401), "access refused"),
        (Reply("x", 418), "request refused"),
        (Reply("", 204), "damaged answer"),
        (Reply("no gzip", headers={"Content-Encoding": "gzip"}), "damaged answer"),
    ],
)
def test_answers_that_are_no_page(reply: Reply, reason: str) -> None:
    with web_site(_a=reply) as site:
        error = _refusal(site)
        assert (error.reason, error.again) == (reason, False)
        assert site.asked.count("/a") == 1


def test_asking_whether_a_page_changed() -> None:
    def page(headers: dict[str, str]) -> Reply:
        same = headers.get("if-none-match") == '"7"' and headers["if-modified-since"] == "then"
        return Reply(status=304) if same else Reply("new")

    with web_site(_a=page) as site, Fetcher(INSIDE, _world(Clock())) as fetcher:
        assert fetcher.fetch(f"{site.url}/a", HTML, '"7"', "then").content is None
        assert fetcher.fetch(f"{site.url}/a", HTML, '"6"').content == b"new"


def test_private_addresses_are_refused() -> None:
    outside = INSIDE.model_copy(update={"allow_private": False})
    with web_site(_a=Reply("secret")) as site:
        assert _refusal(site, spec=outside).reason == "private address"
        assert site.asked == []
    world = _world(Clock(), lambda host: ["10.0.0.7", "::1"])
    with Fetcher(outside, world) as fetcher, pytest.raises(FetchError, match="private address"):
        fetcher.fetch("http://innocent.example/", HTML)


def test_names_are_looked_up_once_and_the_checked_address_is_used() -> None:
    looked_up: list[str] = []

    def find(host: str) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.9", "127.0.0.1"] if len(looked_up) > 1 else ["127.0.0.1"]

    with web_site(_a=Reply("a"), robots__txt=Reply("")) as site:
        url = site.url.replace("127.0.0.1", "some.example")
        with Fetcher(INSIDE, _world(Clock(), find)) as fetcher:
            assert fetcher.fetch(f"{url}/a", HTML).content == b"a", "the second address answers"
        assert all(h["host"] == url.removeprefix("http://") for h in site.headers)
    assert set(looked_up) == {"some.example"}


def test_a_name_that_does_not_exist() -> None:
    def find(host: str) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with Fetcher(INSIDE, _world(Clock(), find)) as fetcher, pytest.raises(FetchError) as caught:
        fetcher.fetch("http://nowhere.example/", HTML)
    assert (caught.value.reason, caught.value.again) == ("host not found", True)


def test_cookies_are_not_kept() -> None:
    with web_site(_a=Reply("a", headers={"Set-Cookie": "id=7"}), _b=Reply("b")) as site:
        with Fetcher(INSIDE, _world(Clock())) as fetcher:
            fetcher.fetch(f"{site.url}/a", HTML)
            fetcher.fetch(f"{site.url}/b", HTML)
        assert "cookie" not in site.headers[-1]


def test_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    outside = INSIDE.model_copy(update={"allow_private": False})
    with web_site() as site:
        site.pages["http://some.example/a"] = Reply("through the proxy")
        monkeypatch.setenv("HTTP_PROXY", site.url)
        with Fetcher(outside, _world(Clock(), lambda host: [])) as fetcher:
            answer = fetcher.fetch("http://some.example/a", HTML)
            assert answer.content == b"through the proxy"
            with pytest.raises(FetchError, match="private address"):
                fetcher.fetch("http://169.254.169.254/latest/meta-data", HTML)


def _certificate(folder: Path, name: str) -> Path:
    """A certificate for a host name that vouches for itself, with its key, as a PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    built = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - day).not_valid_after(now + day)
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    path = folder / "certificate.pem"
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(
        built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM) + key.private_bytes(*plain)
    )
    return path


def test_certificates_are_held_against_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _certificate(tmp_path, "some.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with web_site(path, _a=Reply("safe")) as site, Fetcher(INSIDE, _world(Clock())) as fetcher:
        url = site.url.replace("127.0.0.1", "some.example")
        assert fetcher.fetch(f"{url}/a", HTML).content == b"safe"
        other = site.url.replace("127.0.0.1", "other.example")
        with pytest.raises(FetchError, match="no answer") as caught:
            fetcher.fetch(f"{other}/a", HTML)
    assert "certificate" in caught.value.detail
