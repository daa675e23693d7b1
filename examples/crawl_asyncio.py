"""Reads the pages of a small web site with asyncio: siblings run at the same time, and a link that leads nowhere fails.

The site is served by this very program on a free port of this machine.
"""

from __future__ import annotations

import asyncio
import re

import headway

SITE = {
    "/": '<a href="/prices">prices</a> <a href="/about">about</a> <a href="/gone">gone</a>',
    "/prices": '<a href="/">home</a> three for two',
    "/about": '<a href="/">home</a> a shop',
}


class PageMissing(Exception):
    """The site has no such page."""


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = (await reader.readline()).split()[1].decode()
    page = SITE.get(path)
    status = "200 OK" if page is not None else "404 Not Found"
    body = (page or "").encode()
    writer.write(f"HTTP/1.0 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def read_page(port: int, path: str) -> set[str]:
    """The links of one page."""
    async with headway.task(f"Read {path}", project="examples", agent="crawler", task_type="page"):
        return links_of(await fetch(port, path), path)


async def fetch(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return answer


def links_of(answer: str, path: str) -> set[str]:
    if " 404 " in answer.partition("\r\n")[0]:
        raise PageMissing(path)
    return set(re.findall(r'href="([^"]+)"', answer))


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, headway.task("Crawl the shop", project="examples", agent="crawler") as task:
        seen, missing = {"/"}, []
        wave = ["/"]
        while wave:
            found = await asyncio.gather(*(read_page(port, path) for path in wave), return_exceptions=True)
            missing += [str(links) for links in found if isinstance(links, PageMissing)]
            new = {link for links in found if isinstance(links, set) for link in links} - seen
            seen |= new
            wave = sorted(new)
            task.progress(message=f"{len(seen)} pages known")
        task.set_result({"pages": len(seen) - len(missing), "missing": missing})
    print(f"{len(seen) - len(missing)} pages, missing: {', '.join(missing) or 'none'}")


if __name__ == "__main__":
    asyncio.run(main())
