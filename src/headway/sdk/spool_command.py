"""`headway spool`: what waits on this machine, sent by hand, and what was refused; standard library only."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

from headway.sdk import locks
from headway.sdk.backlog import remaining
from headway.sdk.config import Config, discover
from headway.sdk.delivery import Delivery
from headway.sdk.orphans import Orphan, folders, take_over
from headway.sdk.outcome import Outcome, Result
from headway.sdk.refusals import Refusals
from headway.sdk.spool import LOCK, About, folder_bytes

DONE, FAILED, WRONG_USE, NO_SERVER, NOT_ALLOWED = 0, 1, 2, 3, 4
_EXIT_CODES = {Result.UNREACHABLE: NO_SERVER, Result.DENIED: NOT_ALLOWED, Result.LATER: FAILED}


def main(argv: Sequence[str]) -> int:
    """Runs `headway spool` with these words.

    Returns:
        0 done, 1 something is left, 2 wrong use, 3 no server, 4 not allowed.
    """
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    try:
        words = _parser().parse_args(argv)
    except SystemExit as stop:  # argparse has said why
        return WRONG_USE if stop.code else DONE
    config = discover({"data_dir": words.data_dir, "spool_dir": words.spool_dir}, os.environ, os.getcwd())
    return int({"status": _status, "send": _send, "refused": _refused}[words.action](config, words))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="headway spool", description="Facts that wait on this machine.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="{status,send,refused}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON for programs")
    common.add_argument("--data-dir", help="folder of the Headway on this machine")
    common.add_argument("--spool-dir", help="folder of the spool")
    actions.add_parser("status", parents=[common], help="what waits, by process")
    send = actions.add_parser("send", parents=[common], help="send what dead processes left behind")
    send.add_argument("--all", action="store_true", help="also what was meant for another server or key")
    refused = actions.add_parser("refused", parents=[common], help="what the server refused, and why")
    refused.add_argument("--clear", action="store_true", help="delete it after printing")
    return parser


def _status(config: Config, words: argparse.Namespace) -> int:
    spools = [_described(folder) for folder in folders(config.spool_dir)]
    refused = len(Refusals(config.spool_dir).read())
    report = {
        "spool_dir": config.spool_dir,
        "bytes": folder_bytes(config.spool_dir),
        "limit_bytes": config.spool_bytes,
        "facts": sum(spool["facts"] for spool in spools),
        "refused": refused,
        "spools": spools,
    }
    if words.json:
        print(json.dumps(report))
        return DONE
    size = f"{report['bytes']:,} of {config.spool_bytes:,} bytes"
    print(f"{report['facts']} facts wait in {config.spool_dir} ({size})")
    for spool in spools:
        owner = f"process {spool['pid']} on {spool['host']}" + ("" if spool["owner_alive"] else " (gone)")
        since, destination = spool["created_at"], spool["destination"] or "no server yet"
        print(f"  {spool['facts']:>8} facts of {owner} since {since}, for {destination}")
    if refused:
        print(f"{refused} facts were refused: headway spool refused")
    return DONE


def _described(folder: str) -> dict[str, Any]:
    about = About.read(folder)
    return {
        "producer": about.producer if about else os.path.basename(folder),
        "facts": remaining(folder),
        "bytes": folder_bytes(folder),
        "owner_alive": _is_locked(folder),
        "pid": about.pid if about else None,
        "host": about.host if about else None,
        "created_at": about.created_at if about else None,
        "destination": about.destination if about else None,
    }


def _is_locked(folder: str) -> bool:
    with contextlib.suppress(OSError):
        fd = locks.acquire(os.path.join(folder, LOCK))
        if fd is not None:
            os.close(fd)
            return False
    return True


def _send(config: Config, words: argparse.Namespace) -> int:
    if config.url is None:
        print("no Headway server is known: set HEADWAY_URL, or start one with `headway up`", file=sys.stderr)
        return NO_SERVER
    delivery = Delivery(config, on_cancel=lambda task_id, reason: None)
    sent, spools, failed = 0, 0, None
    destination, key = (None, None) if words.all else (config.destination, delivery.key)
    for orphan in take_over(config.spool_dir, destination, key):
        before = remaining(orphan.backlog.folder)
        failed = _send_orphan(delivery, orphan)
        sent += before if failed is None else before - remaining(orphan.backlog.folder)
        if failed is not None:
            break
        spools += 1
    delivery.close()
    left = sum(remaining(folder) for folder in folders(config.spool_dir))
    if words.json:
        outcome = failed.result.value if failed else "done"
        print(json.dumps({"sent": sent, "spools": spools, "left": left, "outcome": outcome}))
    else:
        print(
            f"{sent} facts sent, {left} left"
            + (" (of processes that still run, or for another server)" if left else "")
        )
    return DONE if failed is None else _EXIT_CODES[failed.result]


def _send_orphan(delivery: Delivery, orphan: Orphan) -> Outcome | None:
    """Sends all of one spool and removes it; the outcome that stopped it, or None."""
    while True:
        outcome = delivery.send_next(orphan.backlog)
        if outcome.failed:
            orphan.release()
            return outcome
        if outcome.result is Result.NOTHING:
            orphan.remove()
            return None


def _refused(config: Config, words: argparse.Namespace) -> int:
    refusals = Refusals(config.spool_dir)
    found = refusals.read()
    for entry in found:
        if words.json:
            print(json.dumps(entry))
        else:
            fact, problem = entry["fact"], entry["problem"]
            print(
                f"{entry['refused_at']}  {fact.get('kind')} of {fact.get('task_id')}: {problem.get('detail')}"
            )
    if not found and not words.json:
        print("nothing was refused")
    if words.clear:
        refusals.clear()
    return DONE
