"""Work on threads, waited for only so long: a database that is cut off is silent for a quarter of an hour."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

T = TypeVar("T")


class SilentDatabase(SQLAlchemyError):
    """Neither an answer nor an error in time."""


async def on_thread(threads: ThreadPoolExecutor, within_s: float, call: Callable[..., T], *arguments: object) -> T:
    """What it returns. Raises SilentDatabase when that takes too long; the thread goes on and may still succeed."""
    working = asyncio.get_running_loop().run_in_executor(threads, partial(call, *arguments))
    try:
        return await asyncio.wait_for(working, within_s)
    except TimeoutError:
        raise SilentDatabase(f"no answer within {within_s:g} s") from None
