"""Addresses of HTTP: which are good, which are this machine, and what of them may be told."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

__all__ = ["check_url", "is_local", "origin", "public_url", "shown_url"]

_MAX_LENGTH = 200


def check_url(url: str) -> SplitResult:
    """Return an address of HTTP in its parts.

    Raises:
        ValueError: If it is another scheme, has no host, has credentials, or characters that must be percent-encoded.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise ValueError(f"expected an address of HTTP, got {shown_url(url)}: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"expected an address http://host/path or https://host/path, got {shown_url(url)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            f"expected an address without user and password, got one for {parts.hostname}: a bearer token can be given "
            "in an environment variable"
        )
    if not re.fullmatch(r"[!-~]*", parts.path + parts.query) or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise ValueError(f"expected blanks and characters beyond ASCII percent-encoded, got {shown_url(url)}")
    return parts._replace(fragment="")


def public_url(url: SplitResult) -> str:
    """Return an address as it may be told: without its query, which may hold secrets."""
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    port = f":{url.port}" if url.port is not None else ""
    return f"{url.scheme}://{host}{port}{url.path}"


def shown_url(url: str) -> str:
    """Return an address that may be no good, as it may be told: no credentials, no query, no more than a line."""
    scheme, separator, rest = url.partition("://")
    rest = rest if separator else scheme
    rest = re.split(r"[?#]", rest)[0]
    host, slash, path = rest.partition("/")
    return repr(f"{scheme if separator else ''}{separator}{host.rpartition('@')[2]}{slash}{path}"[:_MAX_LENGTH])


def origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port: what a token is meant for."""
    return url.scheme, url.hostname, url.port or {"http": 80, "https": 443}[url.scheme]


def is_local(host: str) -> bool:
    """Tell whether a host is this machine, by its name or number alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
