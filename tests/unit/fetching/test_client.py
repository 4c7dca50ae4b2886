"""One URL at a time against a server that misbehaves."""

import ssl
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tailfirst.errors import FetchError, UrlGone, UrlRefused, UrlRetry
from tailfirst.fetching import transport
from tailfirst.fetching.client import AGENT, Client
from tailfirst.fetching.guard import Guard
from tests.support import image_server
from tests.support.pictures import picture


@pytest.fixture(scope="module")
def server():
    with image_server.running() as found:
        yield found


@pytest.mark.parametrize("path", ["/image/1", "/untyped/1", "/otherbot/1", "/shorter/../image/1"])
def test_a_sound_image_comes_as_it_is(server, path):
    assert image_server.client(server).image(server.url(path)) == picture(1)


def test_redirects_are_followed(server):
    url = server.url(f"/to//to/{server.url('/image/2')}")
    assert image_server.client(server).image(url) == picture(2)


def test_it_says_who_asks(server):
    image_server.client(server).image(server.url("/image/1"))
    assert server.agents == {AGENT}
    assert AGENT.startswith("tailfirst/")


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("/html", UrlRefused, "not sent as an image"),
        ("/htmlasjpeg", UrlRefused, "not an image of a known format"),
        ("/svg", UrlRefused, "not an image of a known format"),
        ("/truncated/1", UrlRefused, "unreadable image"),
        ("/shorter/1", UrlRefused, "unreadable image"),
        ("/empty", UrlRefused, "empty answer"),
        ("/bomb/8000", UrlRefused, "too many pixels"),
        ("/bomb/16000", UrlRefused, "too many pixels"),
        ("/gzip/1", UrlRefused, "compressed"),
        ("/noai/1", UrlRefused, "does not want"),
        ("/endless", UrlRefused, "too many bytes"),
        ("/chunked", UrlRefused, "too many bytes"),
        ("/big", UrlRefused, "too many bytes"),
        ("/loop/", UrlRefused, "too many redirects"),
        ("/to/http://127.0.0.1/image/1", UrlRefused, "public internet"),
        ("/to/http://10.0.0.1/image/1", UrlRefused, "public internet"),
        ("/to/http://169.254.169.254/latest/meta-data", UrlRefused, "public internet"),
        ("/to/http://[::1]/image/1", UrlRefused, "public internet"),
        ("/to/file:///etc/passwd", UrlRefused, "neither http nor https"),
        ("/to/http://me:secret@127.0.0.1/", UrlRefused, "credentials"),
        ("/to/http://127.0.0.1:22/", UrlRefused, "port"),
        ("/to/http://127.0.0.1:port/", UrlRefused, "not a URL"),
        ("/nowhere", UrlGone, "redirect to nowhere"),
        ("/status/404", UrlGone, "status 404"),
        ("/status/410", UrlGone, "status 410"),
        ("/status/403", UrlGone, "status 403"),
        ("/status/500", UrlRetry, "status 500"),
        ("/status/503", UrlRetry, "status 503"),
        ("/reset", UrlRetry, "connection was cut"),
        ("/longer/1", UrlRetry, "no valid HTTP answer"),
        ("/hangup", UrlRetry, "no valid HTTP answer"),
        ("/noise", UrlRetry, "no valid HTTP answer"),
        ("/hugeheader", UrlRetry, "no valid HTTP answer|connection was cut"),
    ],
)
def test_what_goes_wrong_has_a_name(server, path, kind, reason):
    with pytest.raises(FetchError, match=reason) as caught:
        image_server.client(server).image(server.url(path))
    assert type(caught.value) is kind


@pytest.mark.parametrize("path", ["/slow", "/slowheader", "/silent"])
def test_nothing_takes_longer_than_its_time(server, path, monkeypatch):
    monkeypatch.setattr(transport, "IDLE_S", 1000.0)
    with pytest.raises(UrlRetry, match="too slow"):
        image_server.client(server, time_s=0.3).image(server.url(path))


def test_how_long_to_wait_is_remembered(server):
    with pytest.raises(UrlRetry) as caught:
        image_server.client(server).image(server.url("/busy/1"))
    assert caught.value.retry_after_s == 0
    assert caught.value.http_status == 429


def test_without_the_test_constructor_this_machine_is_refused(server):
    before = sum(server.asked.values())
    with pytest.raises(UrlRefused, match="public internet"):
        Client(Guard(ports=frozenset({server.port}))).image(server.url("/image/1"))
    assert sum(server.asked.values()) == before


def test_a_name_is_looked_up_once_and_the_checked_address_is_asked(server):
    """DNS re-binding: a second look would find another address; there is no second look."""
    looked = []

    def lookup(host, port):
        looked.append((host, port))
        return ["127.0.0.1"] if len(looked) == 1 else ["10.0.0.1"]

    client = image_server.client(server, lookup)
    assert client.image(server.url("/image/3", "images.example")) == picture(3)
    assert looked == [("images.example", server.port)]
    assert server.hosts[-1] == f"images.example:{server.port}"


def test_every_hop_is_looked_up_and_checked(server):
    found = {"a.example": ["127.0.0.1"], "b.example": ["192.168.0.7"]}
    client = image_server.client(server, lambda host, _port: found[host])
    with pytest.raises(UrlRefused, match="public internet"):
        client.image(server.url(f"/to/{server.url('/image/1', 'b.example')}", "a.example"))


def test_the_next_address_is_tried_when_the_first_does_not_answer(server):
    """127.0.0.2 is this machine too, and nobody listens there."""
    guard = Guard(
        ports=frozenset({server.port}),
        lookup=lambda _host, _port: ["127.0.0.2", "127.0.0.1"],
        test_servers=frozenset({("127.0.0.1", server.port), ("127.0.0.2", server.port)}),
    )
    assert Client(guard).image(server.url("/image/4", "images.example")) == picture(4)


def test_a_proxy_of_the_environment_is_not_asked(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert image_server.client(server).image(server.url("/image/5")) == picture(5)


def authorities(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def test_the_certificate_must_be_that_of_the_name_although_an_address_is_asked(tmp_path):
    certificate = image_server.certificate(tmp_path, "images.example")
    with image_server.running(certificate) as server:
        asking = partial(image_server.client, server, lambda _host, _port: ["127.0.0.1"])
        trusting = replace(asking(), authorities=authorities(certificate))
        assert trusting.image(f"https://images.example:{server.port}/image/6") == picture(6)
        assert server.hosts == [f"images.example:{server.port}"]
        for client, name in ((trusting, "other.example"), (asking(), "images.example")):
            with pytest.raises(UrlGone, match="certificate is not valid"):
                client.image(f"https://{name}:{server.port}/image/6")
        assert sum(server.asked.values()) == 1


def test_nothing_of_the_environment_is_trusted(tmp_path, monkeypatch):
    certificate = image_server.certificate(tmp_path, "images.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with image_server.running(certificate) as server:
        client = image_server.client(server, lambda _host, _port: ["127.0.0.1"])
        with pytest.raises(UrlGone, match="certificate is not valid"):
            client.image(f"https://images.example:{server.port}/image/6")
