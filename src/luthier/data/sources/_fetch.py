"""One page from the web, politely: robots.txt, a pace for each host, retries and limits."""

from __future__ import annotations

import dataclasses
import email.utils
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from pydantic import Field

from luthier import __version__
from luthier.core.spec import Spec, runtime
from luthier.data.sources import _robots
from luthier.data.sources._address import FetchError, is_address, is_public, resolve, tidy_url
from luthier.data.sources._robots import Robots, parse_robots

if TYPE_CHECKING:
    import httpx2

LONGEST_WAIT_S = 120.0
"""Who asks for a longer wait (Retry-After, Crawl-delay) is left for another run."""
_BACK_OFF_S = 1.0
_TRY_AGAIN = frozenset([408, 425, 429, 500, 502, 503, 504])
_MOVED = frozenset([301, 302, 303, 307, 308])
_SLOWEST = 10  # times `timeout_s` for a whole page, against servers that trickle


class FetchSpec(Spec):
    """How pages are fetched. Nothing here but ``max_bytes`` and ``max_redirects`` changes them."""

    delay_s: float = runtime(1.0, ge=0.0, le=LONGEST_WAIT_S)
    """Seconds between two requests to one host, from the end of one to the start of the next."""
    timeout_s: float = runtime(20.0, gt=0.0)
    """Seconds without a sign of life after which a request is given up."""
    retries: int = runtime(4, ge=0, le=20)
    """Further attempts after no answer, 429, or a server's error."""
    max_redirects: int = Field(default=5, ge=0, le=20)
    """A page that is further away is refused."""
    max_bytes: int = Field(default=20_000_000, ge=1)
    """A larger page (unpacked) is refused."""
    allow_private: bool = runtime(False)
    """Also fetch from this machine and from private networks."""
    contact: str = runtime("", pattern=r"^[ -~]*$")
    """Where a site's owner can reach you: an address or page named to every server."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A fetched page.

    Attributes:
        url: Where redirects led.
        content: The body; None when the server says that it has not changed.
        media_type: ``text/html`` and the like, or "".
        charset: As the server told it, or "".
        etag: The server's name of this version, or "".
        last_modified: Its date, or "".
    """

    url: str
    content: bytes | None
    media_type: str
    charset: str
    etag: str
    last_modified: str


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """Clock and name server: what a test replaces so that nothing waits or leaves the machine."""

    now: Callable[[], float] = time.monotonic
    date: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    resolve: Callable[[str, int], list[str]] = resolve


class _Host:
    """One server: one request at a time, and none before ``next_s``."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.next_s = float("-inf")


class Fetcher:
    """Fetches pages; use it as a context manager. Several threads may share it.

    Args:
        spec: How.
        world: Clock and name server.
    """

    def __init__(self, spec: FetchSpec, world: World) -> None:
        self.spec, self.world = spec, world
        self._hosts: dict[str, _Host] = {}
        self._robots: dict[str, Robots | FetchError] = {}
        self._guard = threading.Lock()
        self._client: httpx2.Client | None = None
        self._proxies = urllib.request.getproxies()

    def __enter__(self) -> Fetcher:
        """The fetcher itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()

    def fetch(
        self, url: str, types: Collection[str], etag: str = "", last_modified: str = ""
    ) -> Answer:
        """Fetch a page, through redirects; each hop is held against all rules.

        Args:
            url: A whole address.
            types: Media types that are taken; all if empty.
            etag: Of a version at hand: the answer may be that it has not changed.
            last_modified: The same as a date.

        Raises:
            FetchError: It may not or cannot be had.
        """
        asked = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        headers = {name: value for name, value in asked.items() if value}
        return self._followed(url, types, headers, self.robots)

    def robots(self, url: str) -> Robots:
        """The rules of the site of a URL, fetched once.

        Raises:
            FetchError: The site cannot tell its rules (RFC 9309, 2.3.1.4: so nothing is allowed).
        """
        import httpx2

        site = str(httpx2.URL(url).copy_with(raw_path=b"/robots.txt", fragment=None))
        if site not in self._robots:
            self._robots[site] = self._read_robots(site)
        found = self._robots[site]
        if isinstance(found, FetchError):
            raise found
        return found

    def _read_robots(self, site: str) -> Robots | FetchError:
        try:
            answer = self._followed(site, (), {}, lambda _: _robots.EVERYTHING)
        except FetchError as error:
            if error.reason in ("page not found", "access refused", "request refused"):
                return _robots.EVERYTHING
            if error.reason in ("private address", "host not found", "no answer"):
                return error
            return FetchError("robots.txt cannot be read", str(error.detail), again=True)
        text = (answer.content or b"")[: _robots.MAX_BYTES].decode("utf-8", errors="replace")
        return parse_robots(text)

    def _followed(
        self,
        url: str,
        types: Collection[str],
        headers: dict[str, str],
        rules: Callable[[str], Robots],
    ) -> Answer:
        for _ in range(self.spec.max_redirects + 1):
            robots = rules(url)
            if not _robots.allows(robots, url):
                raise FetchError("robots.txt forbids it", url)
            found = self._tried(url, types, headers, max(self.spec.delay_s, robots.delay_s))
            if isinstance(found, Answer):
                return found
            url = tidy_url(found)
        raise FetchError("too many redirects", url)

    def _tried(
        self, url: str, types: Collection[str], headers: dict[str, str], delay_s: float
    ) -> Answer | str:
        """The answer, or where it points to; after as many attempts as allowed."""
        if delay_s > LONGEST_WAIT_S:
            raise FetchError("crawl delay too long", f"{delay_s:g} s")
        host = self._host(url)
        chance = random.Random(url)
        with host.lock:
            for attempt in range(self.spec.retries + 1):
                self._wait(host.next_s - self.world.now())
                try:
                    return self._once(url, types, headers, attempt)
                except _LaterError as later:
                    wait_s = later.wait_s or _BACK_OFF_S * 2**attempt * chance.uniform(0.5, 1.0)
                    if attempt == self.spec.retries or wait_s > LONGEST_WAIT_S:
                        raise FetchError(*later.args, again=True) from later
                finally:
                    host.next_s = self.world.now() + delay_s
                self._wait(wait_s)
        raise AssertionError("unreachable")

    def _once(
        self, url: str, types: Collection[str], headers: dict[str, str], attempt: int
    ) -> Answer | str:
        import httpx2

        target, more, extensions = self._target(url, attempt)
        try:
            client = self._opened()
            request = client.build_request(
                "GET", target, headers={**headers, **more}, extensions=extensions
            )
            response = client.send(request, stream=True)
            try:
                return self._taken(response, url, types)
            finally:
                response.close()
        except httpx2.TransportError as error:
            raise _LaterError("no answer", f"{type(error).__name__}: {error}") from error
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise FetchError("damaged answer", f"{type(error).__name__}: {error}") from error

    def _taken(self, response: httpx2.Response, url: str, types: Collection[str]) -> Answer | str:
        import httpx2

        status, told = response.status_code, response.headers
        if status in _TRY_AGAIN:
            reason = "too many requests" if status == 429 else "server error"
            raise _LaterError(reason, f"status {status}", self._asked_wait(told))
        if status in _MOVED:
            if not told.get("location"):
                raise FetchError("damaged answer", f"status {status} without a location")
            try:
                return str(httpx2.URL(url).join(told["location"]))
            except httpx2.InvalidURL as error:
                raise FetchError("not a web address", str(error)) from error
        _refuse_status(status)
        media_type, charset = _content_type(told.get("content-type", ""))
        if status != 304 and types and media_type and media_type not in types:
            raise FetchError("wrong kind of content", media_type)
        content = None if status == 304 else self._body(response)
        etag, date = told.get("etag", ""), told.get("last-modified", "")
        return Answer(url, content, media_type, charset, etag, date)

    def _body(self, response: httpx2.Response) -> bytes:
        limit = self.spec.max_bytes
        announced = response.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            raise FetchError("page too large", f"{announced} bytes")
        latest = self.world.now() + _SLOWEST * self.spec.timeout_s
        found = bytearray()
        for piece in response.iter_bytes():
            found += piece
            if len(found) > limit:
                raise FetchError("page too large", f"over {limit} bytes")
            if self.world.now() > latest:
                raise _LaterError("no answer", "the server is too slow")
        return bytes(found)

    def _target(self, url: str, attempt: int) -> tuple[httpx2.URL, dict[str, str], dict[str, Any]]:
        """Where to connect: the very address that was checked, so that names cannot trick us."""
        import httpx2

        whole = httpx2.URL(url)
        host = whole.raw_host.decode("ascii")
        port = whole.port or (443 if whole.scheme == "https" else 80)
        if self._proxied(whole.scheme, host) and not is_address(host):
            return whole, {}, {}  # the proxy looks names up, and decides what is inside
        try:
            addresses = [host] if is_address(host) else self.world.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise _LaterError("host not found", f"{host}: {error}") from error
        if not self.spec.allow_private:
            addresses = [a for a in addresses if is_public(a)]
        if not addresses:
            raise FetchError("private address", host, again=True)
        pinned = whole.copy_with(host=addresses[attempt % len(addresses)])
        name = {} if is_address(host) else {"sni_hostname": host}
        return pinned, {"Host": whole.netloc.decode("ascii")}, name

    def _opened(self) -> httpx2.Client:
        """The client; made with the first request, for it reads all certificates."""
        with self._guard:
            self._client = self._client or _client(self.spec)
            return self._client

    def _proxied(self, scheme: str, host: str) -> bool:
        used = scheme in self._proxies or "all" in self._proxies
        return used and not urllib.request.proxy_bypass(host)

    def _host(self, url: str) -> _Host:
        import httpx2

        name = httpx2.URL(url).netloc.decode("ascii")
        with self._guard:
            return self._hosts.setdefault(name, _Host())

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self.world.sleep(seconds)

    def _asked_wait(self, headers: httpx2.Headers) -> float:
        """Seconds from ``Retry-After`` (RFC 9110, 10.2.3), a number or a date; 0 without it."""
        told = headers.get("retry-after", "").strip()
        if told.isdecimal():
            return float(told)
        try:
            return max(email.utils.parsedate_to_datetime(told).timestamp() - self.world.date(), 0.0)
        except (ValueError, OverflowError):
            return 0.0


class _LaterError(Exception):
    """(reason, detail) of what may pass by itself; ``wait_s`` 0 when the server names no time."""

    def __init__(self, reason: str, detail: str, wait_s: float = 0.0) -> None:
        super().__init__(reason, detail)
        self.wait_s = wait_s


def user_agent(contact: str) -> str:
    """How Luthier names itself to servers."""
    return f"Luthier/{__version__} ({f'+{contact}' if contact else 'collects data for its user'})"


def _client(spec: FetchSpec) -> httpx2.Client:
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    import httpx2

    return httpx2.Client(
        headers={"User-Agent": user_agent(spec.contact), "Accept": "text/html, */*;q=0.5"},
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
        timeout=spec.timeout_s,
        follow_redirects=False,
    )


def _refuse_status(status: int) -> None:
    if status in (404, 410):
        raise FetchError("page not found", f"status {status}")
    if status in (401, 402, 403, 407, 451):
        raise FetchError("access refused", f"status {status}")
    if status not in (200, 203, 304):
        reason = "request refused" if 400 <= status < 500 else "damaged answer"
        raise FetchError(reason, f"status {status}")


def _content_type(told: str) -> tuple[str, str]:
    """(media type, charset), each in lower case or ""."""
    media_type, *others = told.split(";")
    pairs = (other.partition("=") for other in others)
    charset = next((v.strip(" \"'") for k, _, v in pairs if k.strip().lower() == "charset"), "")
    return media_type.strip().lower(), charset.lower()
