"""Decides which requests are allowed, and what a page may do.

The first request needs the token in the printed address. It sets a cookie that scripts cannot read and other sites
cannot send, and later requests need the cookie. A request must name this machine as its host, because another name
could be resolved to this address (DNS rebinding). A change must come from one of our pages (Origin, Sec-Fetch-Site),
with the CSRF value of its form. Cookies are shared between ports, so their names contain the port.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_OPEN = "/open/"
"""The path before the token. In a query string, `redaction` would hide it as a secret when it is printed."""
_NO_TOKEN = "This page needs the address that `promptcot view` printed when it started, with its token."
_LOCAL = ("localhost", "127.0.0.1", "::1")


def _token() -> str:
    return secrets.token_urlsafe(32)


@dataclass
class Guard:
    """The token and the secrets of one server, which listens at `host` and `port`."""

    host: str
    port: int
    token: str = field(default_factory=_token)
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    @property
    def cookie(self) -> str:
        """The name of the session's cookie."""
        return f"promptcot-view-{self.port}"

    @property
    def name_cookie(self) -> str:
        """The name of the cookie with the reviewer's name."""
        return f"{self.cookie}-name"

    def address(self) -> str:
        """The address that is printed, with the token."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}{_OPEN}{self.token}"

    def csrf(self, request: Request) -> str:
        """The CSRF value in the forms of this session."""
        return self._signed(f"form {request.cookies.get(self.cookie, '')}")

    def is_csrf(self, request: Request, given: str) -> bool:
        return _same(self.csrf(request), given)

    async def __call__(self, request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
        """The response to a request, or its refusal, with the headers of every page."""
        response = self._refused(request) or self._welcomed(request) or await answer(request)
        response.headers.update(HEADERS)
        return response

    def _refused(self, request: Request) -> Response | None:
        if not self._is_here(request.headers.get("host", "")):
            return PlainTextResponse("This server does not answer to this host name. Open the printed address.\n", 403)
        if request.method not in ("GET", "HEAD") and not _is_from_here(request):
            return PlainTextResponse("A change must come from a page of this server.\n", 403)
        return None

    def _welcomed(self, request: Request) -> Response | None:
        """A redirect with a cookie for the token, or a refusal if there is neither token nor cookie."""
        path = request.url.path
        if request.method == "GET" and path.startswith(_OPEN) and _same(self.token, path.removeprefix(_OPEN)):
            response = RedirectResponse("/", 303)
            session = secrets.token_urlsafe(16)
            value = f"{session}.{self._signed(session)}"
            response.set_cookie(self.cookie, value, httponly=True, samesite="strict", path="/")
            return response
        session, _, signature = request.cookies.get(self.cookie, "").partition(".")
        if not path.startswith(_OPEN) and session and _same(self._signed(session), signature):
            return None
        return PlainTextResponse(f"{_NO_TOKEN}\n", 403)

    def _signed(self, text: str) -> str:
        return hmac.new(self._key, text.encode(errors="replace"), hashlib.sha256).hexdigest()

    def _is_here(self, host: str) -> bool:
        """Whether a request names this server as its host. A server on all addresses accepts every IP address, because
        DNS rebinding needs a name.
        """
        name, port = _split(host)
        if port != self.port:
            return False
        if name in (*_LOCAL, self.host.lower()):
            return True
        if self.host in ("0.0.0.0", "::", ""):
            return _is_number(name) or name in (socket.gethostname().lower(), socket.getfqdn().lower())
        return False


def _is_from_here(request: Request) -> bool:
    """Whether a request comes from one of our pages, by the headers of browsers. Other programs do not send them."""
    headers: Mapping[str, str] = request.headers
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin == "null":  # sent by a page without referrer
        return site == "same-origin"
    return origin is None or origin == f"http://{headers.get('host', '')}"


def _split(host: str) -> tuple[str, int | None]:
    """A host without its brackets, and its port, 80 by default."""
    name, colon, port = host.rpartition(":")
    if not colon or (":" in name and not name.endswith("]")):
        name, port = host, "80"
    return name.strip("[]").lower(), int(port) if port.isascii() and port.isdigit() and len(port) < 6 else None


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same(given: str, expected: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode(errors="replace"))
