"""The bound on programs that run at once; whoever is most urgent gets the next free place."""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count


class Slots:
    """`number` places for programs, handed out by the urgency of the row that asks.

    Equally urgent askers are served in the order of asking. What is not in `urgency` is 0. Places
    are handed out at the next turn of the event loop: all who ask in one turn are compared.
    """

    def __init__(self, number: int, urgency: Mapping[str, float] | None = None) -> None:
        self._free = number
        self._urgency = urgency or {}
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._asked = count()
        self._reserved: set[str] = set()

    def reserve(self, row: str, granted: Callable[[], None]) -> None:
        """Call `granted` once a place is free; the row's next `place` then is that one."""

        def keep() -> None:
            self._reserved.add(row)
            granted()

        self._ask(row, keep)

    def give_back(self, row: str) -> None:
        """Free the place that was reserved for `row`, if it has not been used."""
        if row in self._reserved:
            self._reserved.remove(row)
            self._release()

    @asynccontextmanager
    async def place(self, row: str) -> AsyncIterator[None]:
        """Hold a place for one program of `row`."""
        if row in self._reserved:
            self._reserved.remove(row)
        else:
            await self._wait(row)
        try:
            yield
        finally:
            self._release()

    async def _wait(self, row: str) -> None:
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def tell() -> None:
            if granted.done():  # cancelled while it waited
                self._release()
            else:
                granted.set_result(None)

        self._ask(row, tell)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release()
            raise

    def _ask(self, row: str, granted: Callable[[], None]) -> None:
        urgency = self._urgency.get(row, 0.0)
        heapq.heappush(self._queue, (-urgency, next(self._asked), granted))
        asyncio.get_running_loop().call_soon(self._hand_out)

    def _release(self) -> None:
        self._free += 1
        asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        while self._free and self._queue:
            _, _, granted = heapq.heappop(self._queue)
            self._free -= 1
            granted()
