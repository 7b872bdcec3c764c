import pytest

from outlive.documents.addresses import is_public
from outlive.documents.entries import address_key


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "169.254.0.1",
        "100.64.0.1", "100.100.100.200", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255", "192.0.0.192", "198.18.0.1", "192.0.2.1", "203.0.113.9", "168.63.129.16", "::1", "::",
        "fe80::1",
        "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::", "2001:0:7f00:1::", "2001:db8::1", "100::1", "not an address", "",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8"]
)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(address)


def test_two_ways_to_write_one_url_have_one_key():
    key = address_key("http://Example.org:80#top")

    assert key == address_key("HTTP://example.ORG/")
    assert key == "http://example.org/"
    assert address_key("https://example.org:443/a?b=1#c") == "https://example.org/a?b=1"


def test_urls_that_may_differ_have_different_keys():
    urls = ["http://a/x", "https://a/x", "http://a/X", "http://a/x/", "http://a/x?q", "http://a:81/x", "http://u@a/x"]

    assert len({address_key(url) for url in urls}) == len(urls)
    assert address_key("/a/B.txt") == "/a/B.txt"
    assert address_key("http://[broken/") == "http://[broken/"
