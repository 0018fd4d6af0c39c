import pytest

from textsem.targets.http_address import check_url, is_local, origin, public_url, shown_url


@pytest.mark.parametrize(
    "url",
    ["http://host", "https://host:8443/a/b?key=1&x=%20", "HTTPS://Host/", "http://[::1]:80/x", "http://müller.de/"],
)
def test_addresses_of_http_pass(url: str) -> None:
    assert check_url(url).scheme in ("http", "https")


@pytest.mark.parametrize(
    "url",
    [
        "", "host/path", "ftp://host/", "file:///etc/passwd", "http://", "http:///path", "http://host:port/",
        "http://host:99999/", "http://[::1/", "http://user:secret@host/", "http://token@host/", "http://host/a b",
        "http://host/é", "http://host/\r\nX: y", "http://a..b/", "http://" + "a" * 70 + "/",
    ],
)  # fmt: skip
def test_other_addresses_are_refused_and_keep_their_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        check_url(url)
    assert "secret" not in str(caught.value)
    assert "token@" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_query_and_fragment_are_not_told() -> None:
    assert public_url(check_url("HTTPS://Host:8443/a?key=secret#b")) == "https://host:8443/a"
    assert public_url(check_url("http://[::1]:80/x")) == "http://[::1]:80/x"
    assert shown_url("https://me:secret@host/a?key=secret#secret") == "'https://host/a'"
    assert shown_url("/a?key=secret") == "'/a'"
    assert len(shown_url("http://host/" + "a" * 9999)) < 300


@pytest.mark.parametrize("host", ["localhost", "api.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["localhost.example.org", "10.0.0.1", "0.0.0.0", "127.0.0.1.example.org", "example.org", "192.168.0.1", ""]
)
def test_other_machines_are_not(host: str) -> None:
    assert not is_local(host)


def test_origin_is_scheme_host_and_port() -> None:
    assert origin(check_url("https://host/a")) == origin(check_url("https://HOST:443/b"))
    assert origin(check_url("https://host/a")) != origin(check_url("http://host/a"))
    assert origin(check_url("https://host/a")) != origin(check_url("https://host:8443/a"))
    assert origin(check_url("https://host/a")) != origin(check_url("https://other/a"))
