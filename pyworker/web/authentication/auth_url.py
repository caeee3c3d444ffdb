"""Where a Supabase project's Auth server is; its address is also the issuer of its tokens."""

from __future__ import annotations

from ipaddress import ip_address

import httpx

from pyworker.errors import ConfigurationError

INSIDE = (".internal", ".local", ".localhost")


def auth_url(supabase_url: str) -> str:
    """Return the address of the project's Auth server, without a slash at the end.

    Raises:
        ConfigurationError: the address cannot be used, or leads over the internet unencrypted:
            whoever answers there would decide who is signed in.
    """
    try:
        url = httpx.URL(supabase_url.strip())
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or _has_more(url):
        raise ConfigurationError(
            "SUPABASE_URL is not the address of a Supabase project",
            "write it as https://<ref>.supabase.co",
        )
    if url.scheme == "http" and not _is_inside(url.host):
        raise ConfigurationError("SUPABASE_URL is not encrypted", "write it with https://")
    # As a text, since it must equal the issuer to the letter.
    return f"{url.scheme}://{url.netloc.decode()}{url.path.rstrip('/')}/auth/v1"


def _has_more(url: httpx.URL) -> bool:
    return bool(url.query or url.fragment)


def _is_inside(host: str) -> bool:
    """Whether the name or address is of this machine or of a network of one's own."""
    try:
        address = ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(INSIDE)
    return address.is_private
