"""The proxy of a server, chosen as by curl; messages when it fails; and addresses that never use one."""

import asyncio
import base64

import pytest
from aiohttp import web

from promptcot.engines.openai.engine import OpenAIEngine, OwnServers
from promptcot.engines.openai.proxies import proxy_for
from promptcot.errors import EngineUnusable
from tests.unit.engines.http_servers import ASK, GOOD, asking, plays, served, serving

P = "http://p:3128"
FOUND = [
    ("http://h/v1", {"http_proxy": P}, P),
    ("http://h/v1", {"HTTP_PROXY": P}, None),
    ("http://h/v1", {"https_proxy": P}, None),
    ("https://h/v1", {"https_proxy": P}, P),
    ("https://h/v1", {"HTTPS_PROXY": P}, P),
    ("https://h/v1", {"https_proxy": P, "HTTPS_PROXY": "http://q:1"}, P),
    ("http://h/v1", {"all_proxy": P}, P),
    ("https://h/v1", {"ALL_PROXY": P, "https_proxy": ""}, P),
    ("http://h/v1", {"http_proxy": P, "all_proxy": "http://q:1"}, P),
    ("http://h/v1", {"http_proxy": "p:3128"}, P),
    ("http://h/v1", {"http_proxy": "127.0.0.1:9"}, "http://127.0.0.1:9"),
    ("http://h/v1", {"http_proxy": "p"}, "http://p:1080"),
    ("http://h/v1", {"http_proxy": "https://p"}, "https://p:443"),
    ("http://h/v1", {"http_proxy": "HTTP://p:3128/"}, P),
    ("http://h/v1", {"http_proxy": "[::1]:3128"}, "http://[::1]:3128"),
    ("http://h/v1", {"http_proxy": "http://me:pw@p:3128"}, P),
    ("http://h/v1", {}, None),
    ("http://", {"http_proxy": P}, None),
    ("http://h:bad/v1", {"http_proxy": P}, None),
]


@pytest.mark.parametrize(("url", "environment", "right"), FOUND)
def test_the_variables_that_name_a_proxy(url: str, environment: dict[str, str], right: str | None) -> None:
    found = proxy_for(url, environment)
    assert (found and found.url) == right


EXCEPTED = [
    ("http://h.example.com/v1", "h.example.com", True),
    ("http://h.example.com/v1", "example.com", True),
    ("http://h.example.com/v1", ".example.com", True),
    ("http://example.com/v1", ".example.com", True),
    ("http://h.example.com/v1", "*.example.com", True),
    ("http://h.example.com/v1", "EXAMPLE.com", True),
    ("http://h.example.com/v1", "ample.com", False),
    ("http://h.example.com/v1", "h.example", False),
    ("http://h.example.com/v1", "*", True),
    ("http://h.example.com/v1", "a, example.com", True),
    ("http://h.example.com/v1", "a example.com", True),
    ("http://h.example.com:81/v1", "example.com:81", True),
    ("http://h.example.com:81/v1", "example.com:82", False),
    ("http://h.example.com/v1", "example.com:80", True),
    ("https://h.example.com/v1", "example.com:443", True),
    ("http://10.1.2.3/v1", "10.1.2.3", True),
    ("http://10.1.2.3/v1", "10.0.0.0/8", True),
    ("http://10.1.2.3/v1", "10.1.2.9/24", True),
    ("http://10.1.2.3/v1", "10.2.0.0/16", False),
    ("http://110.1.2.3/v1", "10.1.2.3", False),
    ("http://10.1.2.3/v1", "2.3", False),
    ("http://[fd00::5]:8000/v1", "fd00::/8", True),
    ("http://[fd00::5]:8000/v1", "fd00::5", True),
    ("http://[fd00::5]:8000/v1", "[fd00::5]", True),
    ("http://[fd00::5]:8000/v1", "[fd00::5]:8000", True),
    ("http://[fd00::5]:8000/v1", "fe80::/10", False),
    ("http://127.0.0.1:1/v1", "127.0.0.0/8", True),
    ("http://127.0.0.1:1/v1", "10.0.0.0/99, nonsense/8", False),
    ("http://h/v1", ".", False),
    ("http://h/v1", "", False),
]


@pytest.mark.parametrize(("url", "no_proxy", "right"), EXCEPTED)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_who_is_excepted(url: str, no_proxy: str, right: bool, name: str) -> None:
    found = proxy_for(url, {"http_proxy": P, "https_proxy": P, name: no_proxy})
    assert (found is None) is right


@pytest.mark.parametrize(
    "value", ["socks5://me:pw@p:1", "socks5h://p:1", "SOCKS4://p", "ftp://p", "http://me:pw@p:port"]
)
def test_a_proxy_that_cannot_be_used_is_named_with_the_way_out(value: str) -> None:
    with pytest.raises(EngineUnusable, match=r"all_proxy names .*unset") as caught:
        proxy_for("http://h/v1", {"all_proxy": value})
    assert "pw" not in str(caught.value)


async def test_a_proxy_that_is_down_is_named_not_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://me:hunter2@127.0.0.1:1")
    async with serving(plays(GOOD)) as root, asking(f"{root}/v1") as engine:
        with pytest.raises(
            EngineUnusable, match=r"^the proxy http://127\.0\.0\.1:1 \(from http_proxy\) does not"
        ) as it:
            await engine.complete(ASK)
    assert "name 127.0.0.1 in no_proxy" in str(it.value)
    assert "hunter2" not in str(it.value)


async def test_calls_and_looks_go_through_the_proxy_with_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str | None]] = []

    async def proxy(request: web.Request) -> web.StreamResponse:
        seen.append((str(request.url), request.headers.get("Proxy-Authorization")))
        if request.method == "GET":
            return web.json_response({"data": [{"id": "other"}]})
        return web.json_response({"detail": "Not Found"}, status=404)

    async with serving(proxy) as root:
        monkeypatch.setenv("http_proxy", root.replace("://", "://me:p%40ss@"))
        async with asking("http://far.example/v1?a=1") as engine:
            with pytest.raises(EngineUnusable, match="it lists other") as caught:
                await engine.complete(ASK)
    sent = "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert seen[0] == ("http://far.example/v1/completions?a=1", sent)
    assert seen[1] == ("http://far.example/v1/models?a=1", sent)
    assert "went through the proxy http://127.0.0.1" in str(caught.value)


async def test_a_proxy_that_wants_a_password_says_where_to_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(plays(web.Response(status=407))) as root:
        monkeypatch.setenv("http_proxy", root)
        async with asking("http://far.example/v1") as engine:
            with pytest.raises(EngineUnusable, match=r"requires a user name and a password.*http_proxy") as caught:
                await engine.complete(ASK)
    assert caught.value.cause == "proxy"


async def test_servers_of_our_own_are_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1")
    async with serving(plays(GOOD)) as root:
        engine = OpenAIEngine("m", served(f"{root}/v1"), OwnServers("m"))
        async with asyncio.timeout(10):
            assert (await engine.complete(ASK)).text == "4"
        await engine.close()
