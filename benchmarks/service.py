"""Score payments over HTTP on this machine: rate, times, and what a request takes of the processor.

    python benchmarks/service.py --accounts 2000 --days 60 --callers 1 4 16 64 --rates 100 200 400
    python benchmarks/service.py --bank FOLDER --tables transfers accounts --transfers 20000000 --busy 2000 --model DIR

Simulates a bank, or reads the one in `--bank`, and trains a model of live columns on the simulated bank or on a small
one beside `--bank`; `--model` takes one that was made before. Starts the service in a process of its own with all
transfers but the last, see `benchmarks/live.py`; its lines about requests go to a file. *Callers* wait for each answer
before they send the next payment, each on a connection that stays open. *Rates* send at fixed moments, whether or not
answers came: the time of a request begins when it should have been sent; a rate breaks when the service refuses
requests, for too many wait. Every request is one payment to `/score`; with `--book` it is then booked, on the same
connection, and the time is that of both. *Processor* is that of the service alone, and of it that of the thread that
speaks HTTP. The callers share the machine with it. Python's garbage collection leaves out what this process holds when
it begins to send: its bank and its libraries would be looked through for a tenth of a second, while no payment is sent
and no answer read.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from live import add_options, open_both, split

from muledetect.records import write_tables

#: Requests that are not counted: they load compiled code.
_WARM = 200


def serve(bank: Path, model: Path, log: Path, busy: int | None, channel: Any) -> None:
    """Run the service; tell its port, and the processor time so far whenever a word comes."""
    from muledetect.serve import open_service  # noqa: PLC0415 - in the process of the service only
    from muledetect.serve.app import Limits  # noqa: PLC0415
    from muledetect.serve.run import serve_until_stopped, server_of  # noqa: PLC0415

    sys.stderr = (log.parent / "requests.log").open("w", encoding="utf-8")
    service = open_service(bank, model, log=log, sync="interval", policy="none", busy=busy, limits=Limits(per_second=0))
    server = server_of(service, "127.0.0.1", 0)

    loop = time.pthread_getcpuclockid(threading.get_ident())

    def answer() -> None:
        while not server.started:
            time.sleep(0.01)
        channel.send(server.servers[0].sockets[0].getsockname()[1])
        while channel.recv():
            channel.send((time.process_time(), time.clock_gettime(loop)))

    threading.Thread(target=answer, daemon=True).start()
    serve_until_stopped(server)


class BrokenError(Exception):
    """The service refused a request, for too many wait."""


class Connection:
    """One connection that stays open; asks for one thing after another."""

    def __init__(self, port: int, *, book: bool) -> None:
        self._port, self._paths = port, ("/score", "/book") if book else ("/score",)
        self._reader: asyncio.StreamReader | None = None

    async def pay(self, body: bytes) -> None:
        """Send a payment, and wait for the answer."""
        for path in self._paths:
            if self._reader is None:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            said = await self._reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in said.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await self._reader.readexactly(length)
            if said.startswith(b"HTTP/1.1 429"):
                raise BrokenError
            if not said.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"service: answered {said[:40]!r}")


async def closed(send: Callable[[], Connection], rows: list[bytes], n_callers: int, seconds: float) -> list[float]:
    """Let callers send one payment after the other; return the time of each, which it takes from `rows`."""
    times, end = list[float](), time.perf_counter() + seconds

    async def call() -> None:
        connection = send()
        while rows and time.perf_counter() < end:
            begun = time.perf_counter()
            await connection.pay(rows.pop())
            times.append(time.perf_counter() - begun)

    await asyncio.gather(*(call() for _ in range(n_callers)))
    return times


async def at_rate(send: Callable[[], Connection], rows: list[bytes], rate: int, seconds: float) -> list[float]:
    """Send payments at fixed moments, over connections that are free; return the time of each since its moment."""
    times, free, tasks = list[float](), list[Connection](), list[asyncio.Task[None]]()
    begun = time.perf_counter()

    async def call(due: float, body: bytes) -> None:
        connection = free.pop() if free else send()
        await connection.pay(body)
        free.append(connection)
        times.append(time.perf_counter() - due)

    for number in range(min(len(rows), int(rate * seconds))):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(call(due, rows.pop())))
    await asyncio.gather(*tasks)
    return times


def measure(channel: Any, name: str, work: Awaitable[list[float]]) -> None:
    """Print one line of the table."""
    channel.send("time")
    cpu, begun = np.array(channel.recv()), time.perf_counter()
    try:
        times = np.array(asyncio.run(work))  # type: ignore[arg-type]
    except BrokenError:
        print(f"| {name} | broke | | | | | | |", flush=True)
        return
    taken = time.perf_counter() - begun
    if not len(times):
        raise SystemExit("service: all payments of the bank were sent; give more --days, or fewer --seconds.")
    channel.send("time")
    each, loop = (np.array(channel.recv()) - cpu) / len(times)
    shown = " | ".join(f"{1e3 * value:,.1f}" for value in (*np.quantile(times, [0.5, 0.99]), times.max()))
    parts = f"{1e3 * each:.2f} | {1e3 * loop:.2f} | {1 / each:,.0f}"
    print(f"| {name} | {len(times) / taken:,.0f} | {parts} | {shown} |", flush=True)


def main() -> None:
    """Print a line for each number of callers and for each rate."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(options)
    options.add_argument("--callers", type=int, nargs="*", default=[1, 4, 16, 64])
    options.add_argument("--rates", type=int, nargs="*", default=[100, 200, 400])
    options.add_argument("--seconds", type=float, default=8.0, help="for each line")
    options.add_argument("--book", action="store_true", help="book each payment after its score")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = given.model or folder / "model"
        _, bank = open_both(given, model)
        base, rows, _ = split(bank, min(len(bank.transfers) // 4, 60_000), given.transfers)
        write_tables(dict(base.tables), folder / "bank")
        del base, bank
        bodies = [json.dumps(row, default=lambda value: value.isoformat()).encode() for row in reversed(rows)]
        mine, other = get_context("spawn").Pipe()
        process = get_context("spawn").Process(
            target=serve, args=(folder / "bank", model, folder / "log", given.busy, other), daemon=True
        )
        process.start()
        port = mine.recv()
        gc.collect()
        gc.freeze()
        send = lambda: Connection(port, book=given.book)  # noqa: E731
        asyncio.run(closed(send, bodies[:_WARM], 8, 60.0))
        del bodies[:_WARM]
        print(
            "| load | answers a second | processor ms each | of it HTTP | by processor time "
            "| median ms | 99% ms | longest ms |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|")
        with contextlib.suppress(KeyboardInterrupt):
            for n in given.callers:
                measure(mine, f"{n} callers", closed(send, bodies, n, given.seconds))
            for rate in given.rates:
                measure(mine, f"{rate} a second", at_rate(send, bodies, rate, given.seconds))
        process.kill()  # without a snapshot
        process.join()


if __name__ == "__main__":
    main()
