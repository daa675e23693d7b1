"""Packing files and getting them back: hashes, compression, copies that ended early, and what comes out."""

from __future__ import annotations

import gzip
import hashlib
import json
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from headway.interfaces.cli.demo.library import Source

LEVEL = 6  # zlib's own choice
STRONGEST = 9 | lzma.PRESET_EXTREME


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """One file in the archive."""

    name: str
    size: int  # bytes as it is
    packed_size: int  # bytes in the archive
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """The row of the manifest."""
        return {
            "name": self.name,
            "size": self.size,
            "packed_size": self.packed_size,
            "sha256": self.sha256,
        }


@dataclass(slots=True, kw_only=True)
class Throughput:
    """How much has been packed and in what time."""

    size: int = 0  # bytes read
    packed_size: int = 0  # bytes they became
    seconds: float = 0.0  # spent reading, hashing and compressing

    @property
    def mb_per_s(self) -> float | None:
        """Million bytes read per second; None before anything was."""
        return self.size / self.seconds / 1e6 if self.seconds else None

    @property
    def ratio(self) -> float | None:
        """Packed size as a share of the size; None before anything was packed."""
        return self.packed_size / self.size if self.size else None


def pack(sources: Sequence[Source], target: Path, measured: Throughput) -> Iterator[Packed]:
    """Writes the files into a zip archive, one by one, and hashes them; `measured` grows with each."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for source in sources:
            began = perf_counter()
            content = source.path.read_bytes()
            archive.writestr(source.name, content)
            digest = hashlib.sha256(content).hexdigest()
            packed_size = archive.getinfo(source.name).compress_size
            measured.size += len(content)
            measured.packed_size += packed_size
            measured.seconds += perf_counter() - began
            yield Packed(name=source.name, size=len(content), packed_size=packed_size, sha256=digest)


def compare_strongest(source: Source, strongest: Throughput, usual: Throughput) -> None:
    """Compresses one file as small as possible and as usual, to know what each gives; nothing is kept."""
    content = source.path.read_bytes()
    _measure(strongest, content, lambda: lzma.compress(content, preset=STRONGEST))
    _measure(usual, content, lambda: zlib.compress(content, LEVEL))


def _measure(measured: Throughput, content: bytes, compress: Callable[[], bytes]) -> None:
    began = perf_counter()
    measured.packed_size += len(compress())
    measured.seconds += perf_counter() - began
    measured.size += len(content)


def verify(target: Path, manifest: Sequence[Packed]) -> Iterator[str]:
    """Reads every file back from the archive and yields its name.

    Raises:
        ValueError: A file is not what it was when it was packed.
    """
    with zipfile.ZipFile(target) as archive:
        for packed in manifest:
            if hashlib.sha256(archive.read(packed.name)).hexdigest() != packed.sha256:
                raise ValueError(f"{packed.name} differs from the file that was packed")
            yield packed.name


def write_manifest(target: Path, manifest: Sequence[Packed]) -> None:
    """Writes what is in the archive as JSON Lines."""
    with target.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(json.dumps(packed.as_json()) + "\n" for packed in manifest)


def compress_file(source: Path, target: Path) -> None:
    """Writes the file as gzip."""
    with source.open("rb") as plain, gzip.open(target, "wb") as packed:
        shutil.copyfileobj(plain, packed)


def copy_part(source: Path, target: Path, share: float) -> None:
    """Copies only the first part of a file, as an interrupted copy would."""
    content = source.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])


def copy_with_damage(source: Path, target: Path) -> None:
    """Copies a file with one bit of its last eight bytes (gzip keeps its checksum there) turned over."""
    content = bytearray(source.read_bytes())
    content[-8] ^= 1
    target.write_bytes(content)


def copy_whole(source: Path, target: Path) -> None:
    """Copies the whole file."""
    shutil.copyfile(source, target)


def restore(packed: Path, expected_sha256: str) -> int:
    """Unpacks a gzip file in memory and checks it; its size in bytes.

    Raises:
        EOFError: It ends before its end.
        gzip.BadGzipFile: It is damaged.
        ValueError: It is whole, but another file.
    """
    with gzip.open(packed) as stream:
        content = stream.read()
    if hashlib.sha256(content).hexdigest() != expected_sha256:
        raise ValueError(f"{packed.name} holds another file than expected")
    return len(content)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
