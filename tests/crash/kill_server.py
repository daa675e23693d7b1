"""Kills the server again and again while clients report to it, then reckons up what is in the database.

Usage: python -m tests.crash.kill_server --trials 100 [--clients 4] [--seed 1] [--database URL]

The database must be empty: `sqlite:///path/to/new/file` or `postgresql://user@host/new_database`. Without one
a SQLite file in a temporary folder is used.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.crash.producers import Load, Tally
from tests.crash.reckoning import Reckoning, reckon
from tests.crash.server import Server

CLIENTS = 4
LATEST_MOMENT_S = 0.03  # after the last batch that was waited for; about as long as a commit takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a series of kills came to."""

    kills: int
    tally: Tally
    reckoning: Reckoning
    seconds: float

    def lines(self) -> list[str]:
        """For people."""
        told = {"kills": self.kills, **asdict(self.tally), "tasks": self.reckoning.tasks}
        figures = [f"{name.replace('_', ' '):<22}{value:>10,}" for name, value in told.items()]
        verdicts = [
            f"{name:<22}{len(found):>10,}" + "".join(f"\n    {line}" for line in found[:20])
            for name, found in (
                ("lost", self.reckoning.missing),
                ("counted twice", self.reckoning.twice),
                ("wrong otherwise", self.reckoning.otherwise),
                ("audit differences", self.reckoning.audit),
            )
        ]
        return [*figures, *verdicts, f"{'seconds':<22}{self.seconds:>10.1f}"]


def kill_repeatedly(server: Server, database_url: str, *, trials: int, clients: int, seed: int) -> Report:
    """Kills the running server `trials` times under load, each time in another moment of its work.

    Args:
        server: runs already.
        database_url: what it writes to.
        trials: how many kills.
        clients: how many producers report at once.
        seed: of the moments and the facts.
    """
    begun = time.monotonic()
    moments = random.Random(seed)
    load = Load(lambda: (server.url, server.api_key), clients, seed)
    load.start()
    for _ in range(trials):
        load.wait_for_batches(sent=moments.randint(clients, 5 * clients), answered=1)
        _kill_within(server, load, moments.uniform(0, LATEST_MOMENT_S))
        server.start()
        load.server_is_back()
    load.finish()
    server.stop()
    reckoning = reckon(database_url, [producer.workload for producer in load.producers])
    return Report(kills=trials, tally=load.tally(), reckoning=reckoning, seconds=time.monotonic() - begun)


def _kill_within(server: Server, load: Load, seconds: float) -> None:
    """Kills at a moment that is none of the harness's: receiving, folding, committing, answering."""
    killer = threading.Timer(seconds, server.kill)
    load.server_is_going()
    killer.start()
    killer.join()


def main() -> int:
    """Run the series that the command line asks for; 1 when anything was lost or counted twice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", help="URL of an empty database")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headway-crash-") as folder:
        place = Path(folder)
        url = words.database or f"sqlite:///{(place / 'crash.sqlite3').as_posix()}"
        with Server(place / "data", url) as server:
            report = kill_repeatedly(server, url, trials=words.trials, clients=words.clients, seed=words.seed)
    print("\n".join(report.lines()))
    return 0 if report.reckoning.clean else 1


if __name__ == "__main__":
    sys.exit(main())
