"""Makes .venv hold exactly what is locked, with plain pip; does nothing when it already does.

Usage: python requirements/install.py run|dev
`run` installs the runtime, `dev` adds the tools. No resolving happens here: that is `make lock`.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCKS = {"run": ["lock.txt", "build.txt"], "dev": ["dev.txt"]}


def main(argv: list[str]) -> int:
    """Installs the wanted profile and returns the exit code."""
    if len(argv) != 1 or argv[0] not in LOCKS:
        print(__doc__, file=sys.stderr)
        return 2
    if sys.version_info < (3, 11):
        print(f"Headway needs Python 3.11 or newer, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    profile = argv[0]
    if PYTHON.exists() and (is_installed(profile) or (profile == "run" and is_installed("dev"))):
        return 0
    if not PYTHON.exists():
        venv.create(VENV, with_pip=True, clear=VENV.exists())
    try:
        install(profile)
    except subprocess.CalledProcessError as error:
        print(f"pip failed with exit code {error.returncode}", file=sys.stderr)
        return 1
    stamp_file(profile).write_text(stamp(profile), encoding="utf-8")
    return 0


def install(profile: str) -> None:
    """Installs the locked distributions by hash, then Headway itself in place."""
    files = [ROOT / "requirements" / name for name in LOCKS[profile]]
    locked = [part for file in files for part in ("-r", str(file))]
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", *locked], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT)], check=True)


def is_installed(profile: str) -> bool:
    """True when .venv was filled from exactly these lock files."""
    file = stamp_file(profile)
    return file.exists() and file.read_text(encoding="utf-8") == stamp(profile)


def stamp_file(profile: str) -> Path:
    """Where .venv remembers what it was filled from."""
    return VENV / f".headway-{profile}"


def stamp(profile: str) -> str:
    """A hash over everything that decides what belongs into .venv."""
    digest = hashlib.sha256(str(ROOT).encode())
    for file in [ROOT / "pyproject.toml", *(ROOT / "requirements" / name for name in LOCKS[profile])]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
