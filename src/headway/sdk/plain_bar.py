"""A small progress bar for machines without tqdm, with the commonly used part of tqdm's interface."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, TextIO

WIDTH = 30
LINE = 100


class PlainBar:
    """Counts, and draws itself on a terminal."""

    def __init__(
        self,
        iterable: Iterable[Any] | None = None,
        desc: str | None = None,
        total: float | None = None,
        leave: bool | None = True,
        file: TextIO | None = None,
        ncols: int | None = None,
        mininterval: float = 0.1,
        *args: Any,
        disable: bool | None = None,
        unit: str = "it",
        initial: float = 0,
        **kwargs: Any,
    ) -> None:
        """The arguments are those of tqdm; those that are not named here are accepted and change nothing."""
        self.iterable = iterable
        self.desc = desc or ""
        self.total = total if total is not None else _length(iterable)
        self.leave = leave
        self.fp = file or sys.stderr
        self.mininterval = mininterval
        self.disable = not self.fp.isatty() if disable is None else disable
        self.unit = unit
        self.n = initial
        self.postfix = ""
        self._began = time.monotonic()
        self._next = 0.0
        self._closed = False
        self._source: Any = None

    def __iter__(self) -> Iterator[Any]:
        """The items, counted."""
        try:
            for item in self.iterable or ():
                yield item
                self._advance(1)
        finally:
            self.close()

    def __aiter__(self) -> AsyncIterator[Any]:
        """The items of an asynchronous or ordinary iterable, counted."""
        source: Any = self.iterable
        self._source = source.__aiter__() if hasattr(source, "__aiter__") else iter(source)
        return self

    async def __anext__(self) -> Any:
        """The next item."""
        try:
            item = await anext(self._source) if hasattr(self._source, "__anext__") else next(self._source)
        except (StopIteration, StopAsyncIteration):
            self.close()
            raise StopAsyncIteration from None
        self._advance(1)
        return item

    def __len__(self) -> int:
        """How many there are."""
        return int(self.total or 0)

    def __enter__(self) -> PlainBar:
        """The bar closes with the block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """The bar is closed."""
        self.close()

    def update(self, n: float | None = 1) -> None:
        """So many more are done."""
        self._advance(1 if n is None else n)

    def reset(self, total: float | None = None) -> None:
        """Nothing is done again."""
        self.n = 0
        self.total = self.total if total is None else total
        self.refresh()

    def set_description(self, desc: str | None = None, refresh: bool = True) -> None:
        """Other words before the bar."""
        self.desc = desc or ""
        if refresh:
            self.refresh()

    set_description_str = set_description

    def set_postfix(
        self, ordered_dict: Mapping[str, Any] | None = None, refresh: bool = True, **kwargs: Any
    ) -> None:
        """Values after the bar."""
        values = {**(ordered_dict or {}), **kwargs}
        self.set_postfix_str(", ".join(f"{name}={value}" for name, value in values.items()), refresh)

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """A text after the bar."""
        self.postfix = s
        if refresh:
            self.refresh()

    def refresh(self, *args: Any, **kwargs: Any) -> None:
        """The bar shows what is true now."""
        if not self.disable and not self._closed:
            self._next = time.monotonic() + self.mininterval
            self.fp.write(f"\r{str(self)[:LINE]:<{LINE}}")
            self.fp.flush()

    display = refresh

    def clear(self, *args: Any, **kwargs: Any) -> None:
        """The bar's line is empty."""
        if not self.disable:
            self.fp.write(f"\r{'':<{LINE}}\r")

    def close(self) -> None:
        """The bar shows its last state, or nothing when it should not stay."""
        if self._closed:
            return
        self.refresh() if self.leave else self.clear()
        self._closed = True
        if not self.disable and self.leave:
            self.fp.write("\n")

    @classmethod
    def write(cls, s: str, file: TextIO | None = None, end: str = "\n", nolock: bool = False) -> None:
        """A text on a line of its own."""
        print(s, file=file or sys.stdout, end=end)

    def __str__(self) -> str:
        """The bar as text."""
        elapsed = time.monotonic() - self._began
        rate = f"{self.n / elapsed:,.1f} {self.unit}/s" if elapsed > 0 else ""
        head = f"{self.desc}: " if self.desc else ""
        tail = ", ".join(part for part in (rate, self.postfix) if part)
        if not self.total:
            return f"{head}{self.n:,} {self.unit} [{tail}]"
        share = min(self.n / self.total, 1.0)
        bar = "█" * round(share * WIDTH)
        return f"{head}{share:4.0%}|{bar:<{WIDTH}}| {self.n:,}/{self.total:,} [{tail}]"

    def _advance(self, by: float) -> None:
        self.n += by
        if not self.disable and time.monotonic() >= self._next:
            self.refresh()


def _length(iterable: object) -> int | None:
    try:
        return len(iterable)  # type: ignore[arg-type]  # most iterables have a length; the rest raise
    except TypeError:
        return None
