"""The keys of this moment: those of the settings, or a set that is fetched again and again.

A request never waits for a fetch: it takes the last good set. A set that is older than REFRESH_S is fetched anew when a token comes, and
a key that is unknown is reason for a fetch at most once in PAUSE_S, however many tokens name such keys: they cost nothing to
make. While the issuer is away the last good set stays, and a key that is unknown may be one that came meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Protocol

from fast_sse.http.tokens.fetch import FetchError, fetch
from fast_sse.http.tokens.keys import Key, keys_of_set
from fast_sse.observe.observer import KeysFailed, KeysFetched, Observer

#: Seconds after which a good set is asked for again.
REFRESH_S = 300.0
#: Seconds between two fetches at least.
PAUSE_S = 30.0
#: What the thread of a fetch is called.
FETCHING = "keys of tokens"


class KeySource(Protocol):
    """Where a verifier has its keys from."""

    def known(self) -> tuple[Key, ...]:
        """Those of this moment; may be none yet."""

    def more(self) -> bool:
        """Whether other keys may be here in a moment; a fetch may begin."""


class FixedKeys:
    """Keys of the settings."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys

    def known(self) -> tuple[Key, ...]:
        """Always the same."""
        return self._keys

    def more(self) -> bool:
        """Never."""
        return False


class FetchedKeys:
    """Keys of a set at an https address. Make it on the running loop; the first fetch begins at once.

    Args:
        url: of the set.
        allowed: algorithms.
        observer: is told of a set that is new, and of the first fetch that failed.
        clock: seconds, of any beginning.

    Attributes:
        place: the address and the algorithms.
    """

    def __init__(
        self,
        url: str,
        allowed: Collection[str],
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.place = (url, allowed)
        self._observer = observer
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._keys: tuple[Key, ...] = ()
        self._fetched_s = self._began_s = float("-inf")
        self._fetching = self._failed = False
        self._fetch()

    def known(self) -> tuple[Key, ...]:
        """The last good set."""
        if self._clock() - self._fetched_s >= REFRESH_S:
            self._fetch()
        return self._keys

    def more(self) -> bool:
        """Whether a fetch is under way or the last one failed, or there was never a good set."""
        self._fetch()
        return self._fetching or self._failed or not self._keys

    def _fetch(self) -> None:
        """Begin a fetch, unless one is under way or has just been."""
        now_s = self._clock()
        if not self._fetching and now_s - self._began_s >= PAUSE_S:
            self._fetching, self._began_s = True, now_s
            threading.Thread(target=self._work, name=FETCHING, daemon=True).start()

    def _work(self) -> None:
        """On its thread: the set or why there is none, back to the loop."""
        found: tuple[Key, ...] | str
        try:
            url, allowed = self.place
            found = keys_of_set(fetch(url), allowed)
        except FetchError as error:
            found = str(error)
        except ValueError as error:
            found = f"the answer {error}"
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._take, found)

    def _take(self, found: tuple[Key, ...] | str) -> None:
        self._fetching = False
        if isinstance(found, str):
            if not self._failed:
                self._observer.notify(KeysFailed(found, len(self._keys)))
            self._failed = True
            return
        marks = {key.mark for key in found}
        if self._failed or marks != {key.mark for key in self._keys}:
            self._observer.notify(KeysFetched(len(found)))
        self._keys, self._fetched_s, self._failed = found, self._clock(), False
