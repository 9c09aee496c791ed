"""The process that draws, so that no picture ever holds up an answer: not the event loop, nor its interpreter lock.

Started with the first picture, kept for the next ones, of low priority; it ends with the bot, also when the bot is
killed. A picture that cannot be drawn is an answer without a picture.
"""

import asyncio
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess

import structlog

from telegram_ui.pictures.subjects import Subject

logger = structlog.get_logger()
WITHIN_S = 20.0
NICE = 10


class Painter:
    """Draws subjects, one after the other, in a process of its own."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def draw(self, subject: Subject) -> bytes | None:
        """The picture as a PNG; None when it could not be drawn, which is logged."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_prepare)
        pool = self._pool
        try:
            drawing = asyncio.get_running_loop().run_in_executor(pool, _draw, subject)
            return await asyncio.wait_for(drawing, WITHIN_S)
        except (BrokenProcessPool, TimeoutError, RuntimeError, ValueError, TypeError, ArithmeticError) as error:
            logger.error("picture_not_drawn", subject=type(subject).__name__, error=repr(error))
            if isinstance(error, BrokenProcessPool | TimeoutError) and self._pool is pool:
                self._pool = None
                _end(pool)
            return None

    def close(self) -> None:
        """End the process."""
        if self._pool is not None:
            _end(self._pool)
            self._pool = None


def _end(pool: ProcessPoolExecutor) -> None:
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False)  # what waits in it ends as broken, not as cancelled: that would end whoever waits
    for process in processes:
        process.kill()


def _prepare() -> None:
    """In the child: yield to the bot, follow it when it dies, and load the library before it is needed."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a group signal is for the bot, which ends us
    os.nice(NICE)
    parent = parent_process()
    assert parent is not None, "the painter is a child"
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    from telegram_ui.pictures import drawing  # noqa: F401


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(0)


def _draw(subject: Subject) -> bytes:
    from telegram_ui.pictures.drawing import draw

    return draw(subject)
