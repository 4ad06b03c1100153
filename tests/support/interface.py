"""An API that a test makes of functions, for the servers in front of it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from fast_sse.http.message import Admission, Answer, Intake, Request, Response

#: Takes a few headers, and longer bodies at one path.
INTAKE = Intake(
    headers=frozenset({"accept", "content-type", "idempotency-key", "last-event-id", "x-signature"}),
    single=frozenset({"idempotency-key"}),
    bodies={"/long": 200},
)


def admit_all(_request: Request) -> Admission:
    """Any body may come."""
    return Admission(sys.maxsize)


class Scripted:
    """Answers with `handle`; every body may come unless `admit` says otherwise."""

    def __init__(
        self,
        handle: Callable[[Request], Answer],
        admit: Callable[[Request], Admission | Response] = admit_all,
        intake: Intake = INTAKE,
    ) -> None:
        self.handle = handle
        self.admit = admit
        self.intake = intake
