"""The secrets of a request, which must not be told: others repeat what they were sent, and libraries name it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, unquote_plus

_SHORTEST = 4
"""Characters of what is taken for a secret by its name alone: less would hide every other word."""
_NAMED = re.compile(r"auth|cookie|credential|key|passw|pwd|secret|sig$|signature|token", re.I)
_USER = re.compile(r"//([^/?#]*)@")


def in_headers(headers: Mapping[str, str]) -> set[str]:
    """Return the secrets of headers that carry some: their values, and what stands in those."""
    known: set[str] = set()
    for value in headers.values():
        scheme, _, after = value.partition(" ")
        known |= {value, after}
        if scheme.lower() == "basic":
            pair = _pair(after)
            known |= {pair, pair.partition(":")[2]}
    return known


def in_request(url: str, headers: Mapping[str, str]) -> set[str]:
    """Return the secrets that an author has written into a URL, which may be none, and into headers.

    These are user and password, and what is named as secrets are: ``api_key=…``, ``X-Token: …``.
    """
    known = in_headers({name: str(value) for name, value in headers.items() if is_secret(name)})
    if (user := _USER.search(url)) is not None:
        name, _, password = user[1].partition(":")
        pair = f"{unquote(name)}:{unquote(password)}"
        known |= {user[1], password or name, unquote(password or name), pair, base64.b64encode(pair.encode()).decode()}
        # What is no port, libraries name; it may be the end of a password with an @.
        known |= set(re.findall(r":([^/:?#@\]]+)(?=[/?#]|$)", url[user.end() :].partition("/")[0]))
    query = url.partition("?")[2].partition("#")[0]
    known |= {value for name, value in parse_qsl(query) if is_secret(name)}
    written = (pair.partition("=") for pair in query.split("&"))
    known |= {value for name, _, value in written if is_secret(unquote_plus(name))}
    return {each for each in known if len(each) >= _SHORTEST}


def is_secret(name: str) -> bool:
    """Whether what has this name is a secret."""
    return _NAMED.search(name) is not None


def _pair(encoded: str) -> str:
    """Return user and password of Basic authentication; nothing of a header that only begins like one."""
    try:
        pair = base64.b64decode(encoded)
    except ValueError:
        return ""
    try:
        return pair.decode()
    except UnicodeDecodeError:
        return pair.decode("latin-1")  # as servers did before RFC 7617
