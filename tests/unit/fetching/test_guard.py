"""Only public addresses, and no second look at the name server."""

import pytest

from tailfirst.errors import UrlGone, UrlRefused
from tailfirst.fetching.guard import Guard, is_public

CLOSED = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.1.1", "192.88.99.1", "198.18.0.1",
    "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b::a00:1",
    "64:ff9b:1::1", "100::1", "2001::1", "2001:0:53aa:64c::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::",
    "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "localhost", "", "1.2.3", "8.8.8.8:80",
]  # fmt: skip
OPEN = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "193.0.0.1",
        "2606:4700::1111", "2a00:1450:4001::1", "2003::1"]  # fmt: skip


@pytest.mark.parametrize("address", CLOSED)
def test_what_is_not_the_public_internet(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN)
def test_what_is(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://images.example/a", "neither http nor https"),
        ("file:///etc/passwd", "neither http nor https"),
        ("javascript:alert(1)", "neither http nor https"),
        ("data:image/png;base64,AAAA", "neither http nor https"),
        ("//images.example/a", "neither http nor https"),
        ("", "neither http nor https"),
        ("http://user:secret@images.example/a", "credentials"),
        ("http://127.0.0.1\\@images.example/a", "credentials"),
        ("http://images.example:22/a", "port"),
        ("http://images.example:8080/a", "port"),
        ("https://images.example:99999/a", "port"),
        ("http:///a", "no host"),
        ("http://a\tb/", "not a URL"),
        ("http://images.example:port/a", "not a URL"),
        ("http://[::1/a", "not a URL"),
        ("http://images.example/" + "a" * 5000, "too long"),
    ],
)
def test_what_is_never_asked(url, reason):
    with pytest.raises(UrlRefused, match=reason):
        Guard().checked(url)


def test_a_good_url_keeps_all_but_its_fragment():
    assert str(Guard().checked("HTTPS://Images.example/a b?x=%2F#part")) == "https://images.example/a%20b?x=%2F"
    assert Guard(ports=frozenset({8080})).checked("http://images.example:8080/a").port == 8080


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "017700000001", "::1", "::ffff:127.0.0.1"])
def test_every_way_to_write_this_machine(host):
    with pytest.raises(UrlRefused, match="public internet"):
        Guard().addresses(host, 80)


@pytest.mark.parametrize("found", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1111", "::1"]])
def test_one_private_address_among_public_ones_refuses_the_host(found):
    with pytest.raises(UrlRefused, match="public internet"):
        Guard(lookup=lambda _host, _port: found).addresses("images.example", 80)


def test_a_test_server_is_an_address_with_its_port():
    guard = Guard(lookup=lambda _host, _port: ["127.0.0.1"], test_servers=frozenset({("127.0.0.1", 8081)}))
    assert guard.addresses("images.example", 8081) == ("127.0.0.1",)
    with pytest.raises(UrlRefused):
        guard.addresses("images.example", 80)


def test_no_address_at_all():
    with pytest.raises(UrlGone):
        Guard(lookup=lambda _host, _port: []).addresses("images.example", 80)
