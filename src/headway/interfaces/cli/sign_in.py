"""A fresh link with which one browser signs in, made by the running server for whoever holds a key to it."""

from __future__ import annotations

from headway.interfaces.cli.connection import Server


def sign_in_url(server: Server) -> str:
    """A link that works once, within ten minutes.

    Raises:
        NotAllowed: The key is narrower than its user, which a browser's session could not be.
    """
    link: str = server.post("/auth/sign-in-links")["sign_in_url"]
    return link
