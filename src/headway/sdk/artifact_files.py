"""What is told of an artifact: size and hash, and its content when that is small enough to travel along."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

from headway.domain import limits

_PIECE = 1 << 20


def described(
    name: str,
    path: str | os.PathLike[str] | None,
    content: str | bytes | None,
    content_type: str | None,
    uri: str | None,
) -> dict[str, Any]:
    """The fields of an artifact fact beyond its name and type.

    Args:
        name: of the artifact; guesses the content type.
        path: a file, or None.
        content: text or bytes, or None.
        content_type: as in HTTP, or None to guess it.
        uri: where it can be found, or None.

    Raises:
        OSError: The file cannot be read.
    """
    fields: dict[str, Any] = {"content_type": content_type or _guess(name), "uri": uri}
    if path is not None and content is None:
        size = os.stat(path).st_size
        if size > limits.ARTIFACT_BYTES:
            return fields | _hashed(path) | {"uri": uri or _address(path)}
        with open(path, "rb") as stream:
            content = stream.read()
    if content is None:
        return fields
    data = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    fields |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return fields | _inline(data) if len(data) <= limits.ARTIFACT_BYTES else fields


def _inline(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no text a database could keep
        return {"content": base64.b64encode(data).decode("ascii"), "encoding": "base64"}
    return {"content": text}


def _hashed(path: str | os.PathLike[str]) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return {"size": size, "sha256": digest.hexdigest()}


def _address(path: str | os.PathLike[str]) -> str | None:
    from pathlib import Path  # only for large files

    address = Path(path).resolve().as_uri()
    return address if len(address) <= limits.URL_LENGTH else None


def _guess(name: str) -> str | None:
    import mimetypes  # slow to load, and only artifacts need it

    if name.lower().endswith((".md", ".markdown")):  # unknown to mimetypes on some platforms
        return "text/markdown"
    return mimetypes.guess_type(name)[0]
