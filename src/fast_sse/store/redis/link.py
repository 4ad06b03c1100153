"""A connection that comes back by itself, with the user signed in and every script loaded.

While it is down nothing waits for it. A command is refused at once, as certainly not sent. So the link is the circuit
breaker of the store: it opens with the first failure, and closes when the server has answered a whole greeting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from hiredis import ReplyError

from fast_sse.model.backoff import Backoff
from fast_sse.model.errors import ConfigError, UnavailableError
from fast_sse.store.redis.errors import LostError, TurnedAwayError, translated, why
from fast_sse.store.redis.scripts import scripts
from fast_sse.store.redis.target import KEY, Target
from fast_sse.store.redis.wire import Reply, Wire, Word, connect, pack

_log = logging.getLogger(__name__)

#: The first and the longest wait between attempts to connect.
_RETRY_S, _RETRY_S_MAX = 0.05, 1.0
#: Refusals of a greeting that pass by themselves. For a wrong setting a hub ends, and it must not end for these.
_PASSING = ("LOADING", "BUSY", "MASTERDOWN", "ERR max number of clients")

Greet = Callable[[Wire], Awaitable[None]]


class Link:
    """One connection for one purpose.

    Args:
        purpose: its name in `CLIENT LIST` and in the log.
        greet: awaited on every new connection before it is used. If it raises, the connection counts as failed.
        on_down: called with the reason when the connection is lost and the first attempt to connect again fails.
    """

    def __init__(
        self,
        target: Target,
        purpose: str,
        *,
        connect_s: float,
        answer_s: float,
        greet: Greet | None = None,
        on_down: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.target = target
        self._purpose = purpose
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._greet = greet
        self._on_down = on_down
        #: None while there is no connection.
        self.wire: Wire | None = None
        self._up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the first connection, and keep one from then on. Raises ConfigError and UnavailableError."""
        self.wire = await self._connect()
        self._up.set()
        self._keeper = asyncio.get_running_loop().create_task(self._keep(self.wire), name=self._purpose)

    async def close(self) -> None:
        """End the connection, and make no other."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        self.kick()
        self.wire = None

    async def connected(self) -> Wire:
        """Wait until there is a connection."""
        while (wire := self.wire) is None or not wire.open:
            self._up.clear()
            await self._up.wait()
        return wire

    def kick(self) -> None:
        """End the connection. The next one greets the server again."""
        if self.wire is not None:
            self.wire.abort()

    async def call(self, name: str, keys_and_args: Sequence[Word]) -> Reply:
        """Run one script. Raises UnavailableError, as `call` below does."""
        return await call(self._present(), name, keys_and_args)

    async def command(self, *words: Word) -> Reply:
        """Send one command. Raises UnavailableError."""
        return _checked(await _ask(self._present(), *words))

    def _present(self) -> Wire:
        if self.wire is None:
            raise UnavailableError("there is no connection to Redis", retry_after_s=1)
        return self.wire

    async def _connect(self) -> Wire:
        target = self.target
        try:
            wire = await connect(target, connect_s=self._connect_s, answer_s=self._answer_s)
        except LostError as error:
            reason = why(error, self._connect_s)
            raise UnavailableError(f"Redis cannot be reached: {reason}", retry_after_s=1) from error
        try:
            async with asyncio.timeout(self._connect_s):
                await sign_in(wire, target)
                await self._prepare(wire)
                if self._greet is not None:
                    await self._greet(wire)
        except TurnedAwayError as error:
            wire.abort()
            raise UnavailableError(str(error), retry_after_s=1) from error
        except LostError as error:
            wire.abort()
            raise UnavailableError(f"Redis does not answer: {error}", retry_after_s=1) from error
        except TimeoutError as error:
            wire.abort()
            reason = f"no answer within {self._connect_s:g} s"
            raise UnavailableError(f"Redis does not answer: {reason}", retry_after_s=1) from error
        except BaseException:
            wire.abort()
            raise
        return wire

    async def _prepare(self, wire: Wire) -> None:
        named = await wire.ask("CLIENT", "SETNAME", self._purpose)  # for people; a refusal changes nothing
        if isinstance(named, ReplyError) and str(named).startswith("NOAUTH"):
            return  # a script is longer than what the server reads of a user whom it does not know
        loads = [pack(("SCRIPT", "LOAD", script.text)) for script in scripts().values()]
        replies: list[Reply] = []
        wire.send(b"".join(loads), *[replies.append] * len(loads))
        await wire.ask("PING")  # ends the pipeline; a user who may not load scripts may still run their text

    async def _keep(self, wire: Wire) -> None:
        """Wait for the end of each connection and make the next."""
        while True:
            await asyncio.shield(wire.lost)
            self.wire = None
            self.wire = wire = await self._connect_again()
            self._up.set()
            _log.info("%s: connected to Redis at %s again", self._purpose, self.target.where)

    async def _connect_again(self) -> Wire:
        waits, logged = Backoff(_RETRY_S, _RETRY_S_MAX), False
        while True:
            try:
                return await self._connect()
            except (UnavailableError, ConfigError) as error:
                if not logged:
                    logged = True
                    _log.warning(
                        "%s: no connection to Redis at %s: %s; look at the server, the hub tries again",
                        self._purpose,
                        self.target.where,
                        error,
                    )
                    self._on_down(error.message)
            except Exception:  # noqa: BLE001  after a defect, too, the next attempt is made
                _log.exception("%s: a defect in connecting to Redis: report it", self._purpose)
                self._on_down("the connection to Redis cannot be made")
            await asyncio.sleep(waits.next_s())


async def sign_in(wire: Wire, target: Target) -> None:
    """Become the user of the URL, in its database.

    Raises:
        ConfigError: the server refuses one of them. Its text is not repeated, for it may repeat the password.
        UnavailableError: the server refuses for a reason that passes.
        LostError: there was no answer.
    """
    if target.username or target.password:
        user = [target.username] if target.username else []
        await _expect(
            wire,
            "names a user or password that the server refuses; correct it",
            "AUTH",
            *user,
            target.password,
        )
    if target.database:
        problem = f"names database {target.database}, which the server refuses; choose another"
        await _expect(wire, problem, "SELECT", target.database)


async def _expect(wire: Wire, problem: str, *words: Word) -> None:
    reply = await wire.ask(*words)
    if isinstance(reply, ReplyError):
        if str(reply).startswith(_PASSING):
            raise translated(str(reply))
        raise ConfigError(KEY, problem)


async def call(wire: Wire, name: str, keys_and_args: Sequence[Word]) -> Reply:
    """Run one script. Raises UnavailableError. If the connection was lost, it is unknown whether the script ran."""
    script = scripts()[name]
    reply = await _ask(wire, "EVALSHA", script.digest, 1, *keys_and_args)
    if isinstance(reply, ReplyError) and str(reply).startswith("NOSCRIPT"):
        reply = await _ask(wire, "EVAL", script.text, 1, *keys_and_args)
    return _checked(reply)


async def _ask(wire: Wire, *words: Word) -> Reply:
    try:
        return await wire.ask(*words)
    except LostError as error:
        raise UnavailableError("the connection to Redis was lost", retry_after_s=1) from error


def _checked(reply: Reply) -> Reply:
    if isinstance(reply, ReplyError):
        raise translated(str(reply)) from reply
    return reply
