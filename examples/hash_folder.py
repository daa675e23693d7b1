"""Hashes every file of a folder, with progress in the terminal and in Headway.

Usage: python examples/hash_folder.py [FOLDER]
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from pathlib import Path

import headway


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(sysconfig.get_paths()["stdlib"]) / "json")
    with headway.task(f"Hash {folder.name}", project="examples", agent="hasher") as task:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digests: dict[str, str] = {}
        size = 0
        for file in task.track(files):
            content = file.read_bytes()
            size += len(content)
            digests[file.relative_to(folder).as_posix()] = hashlib.sha256(content).hexdigest()
        lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
        task.metric("bytes_hashed", size, unit="B", type="counter")
        task.artifact("SHA256SUMS", content=lines, type="data")
        task.set_result({"files": len(files), "bytes": size})
    print(f"{len(files)} files, {size:,} bytes")


if __name__ == "__main__":
    main()
