"""What each cell of the table must be: clean, or a flaw that only the client can mend, with its name.

A cell that is not here must be clean for every client: 0 lost, 0 doubled, 0 phantom, back again. A cell that is here
must be exactly as its flaw says. One that has become better fails too: the flaw's text would be out of date.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.clients.verdict import GAP, Cell

#: Scenarios in which a connection breaks off, and those in which a stream ends as it should.
BROKEN = ("before-first", "mid-block", "reset", "every-byte", "between", "nginx", "hop")
ENDED = ("drain", "age")
#: What they come to: away, and back by a new connection.
ANY = (*BROKEN, *ENDED, "gap", "overload")


#: A figure that depends on where bytes fall: more than none.
SOME = -1
#: A figure that depends on what a fetch makes of a body that breaks off: its last bytes may be thrown away with it before a
#: page has read them, and a half block that nobody has seen does no harm. None, or one.
AT_MOST_ONE = -2


class Flaw(NamedTuple):
    """What a client does that no server can mend.

    Attributes:
        why: a sentence for the docs.
        gives_up: it never comes back.
        mend: the code that mends it, a line of the client's recipe; empty where no line does.
        lost: and what follows, exactly so many, SOME, or AT_MOST_ONE.
    """

    why: str
    gives_up: bool = False
    lost: int = 0
    doubled: int = 0
    phantom: int = 0
    mend: str = ""

    @property
    def note(self) -> str:
        """What the docs say of it."""
        return f"{self.why} Mend it with `{self.mend}`." if self.mend else self.why

    def cell(self, scenario: str, seen: Cell) -> Cell:
        """The cell that it makes, of so many messages and with those that depend as they were seen."""
        untold = GAP if self.gives_up and scenario == "gap" else ""
        lost, doubled, phantom = (
            {SOME: max(1, there), AT_MOST_ONE: min(1, there)}.get(figure, figure)
            for figure, there in (
                (self.lost, seen.lost),
                (self.doubled, seen.doubled),
                (self.phantom, seen.phantom),
            )
        )
        return Cell(seen.of, lost, doubled, phantom, not self.gives_up, untold)


def _gives_up(why: str, mend: str = "") -> Flaw:
    return Flaw(why, gives_up=True, mend=mend)


_LOOP = "Use the loop of its recipe."
_ONE_STREAM = _gives_up(f"Reads one stream and never comes back by itself. {_LOOP}")
_LAST_BYTE = Flaw(
    "Keeps an id as soon as its line is whole. If the connection breaks exactly between the `id:` line and the blank"
    " line, it has the id of a message that it never hands over. That is 1 byte of a block.",
    lost=1,
)
_LAST_BYTE_OF_FETCH = _LAST_BYTE._replace(lost=AT_MOST_ONE)
_AIOHTTP = _gives_up(
    "Comes back only after a stream that ended properly. If the connection breaks, or the hub is away for a moment,"
    f" your code gets an exception. {_LOOP}"
)
_HALVES = (
    "Takes half a block for an event, and half an id for an id. It comes back with a cursor that does not exist, so it"
    " gets a gap and the messages again. Its recipe has a transport that passes on whole blocks only."
)

#: By row, then by scenarios.
FLAWS: dict[str, dict[tuple[str, ...], Flaw]] = {
    "npm eventsource 2": {("every-byte",): _LAST_BYTE},
    "npm extended-eventsource": {("every-byte",): _LAST_BYTE_OF_FETCH},
    "npm @microsoft/fetch-event-source": {
        ("every-byte",): _LAST_BYTE_OF_FETCH,
        (*ENDED, "overload"): _gives_up(
            "Takes the end of a stream for the end of the subscription, unless `onclose` throws.",
            'throw new Error("the stream has ended: come back");',
        ),
    },
    "npm @microsoft/fetch-event-source, mended": {("every-byte",): _LAST_BYTE_OF_FETCH},
    "npm sse.js": {ANY: _gives_up("Comes back only with an option.", "{ autoReconnect: true }")},
    "PyPI httpx-sse": {
        (*(name for name in ANY if name != "reset"),): _gives_up(
            "The function of its README comes back only after a reset. If the connection ends otherwise, your code gets"
            f" an exception or the end. {_LOOP}"
        )
    },
    "PyPI sseclient-py": {ANY: _ONE_STREAM},
    "PyPI aiohttp-sse-client": {(*BROKEN, "drain", "gap", "overload"): _AIOHTTP},
    "PyPI aiohttp-sse-client2": {(*BROKEN, "drain", "gap", "overload"): _AIOHTTP},
    "Go r3labs/sse": {
        ("mid-block", "reset"): Flaw(_HALVES, phantom=1),
        ("every-byte",): Flaw(_HALVES, doubled=SOME, phantom=SOME),
        (*ENDED, "overload"): Flaw(
            "Takes the end of a stream for the end of the subscription, and the last line, `retry:`, for an event."
            f" {_LOOP}",
            gives_up=True,
            phantom=1,
        ),
    },
    "Java okhttp-sse": {ANY: _ONE_STREAM},
}

#: Cells that would say nothing of the client, and why.
SPARED = {
    ("fast-sse subscribe", "expiry"): "Signs each connection itself, so its user has nothing to do.",
}


def flaw_of(row: str, scenario: str) -> Flaw | None:
    """The named flaw of a cell; None where the server decides."""
    found = [flaw for scenarios, flaw in FLAWS.get(row, {}).items() if scenario in scenarios]
    return found[0] if found else None


def complaint(row: str, scenario: str, cell: Cell) -> str:
    """What is wrong with a cell, as a sentence; empty when it is as expected."""
    flaw = flaw_of(row, scenario)
    wanted = flaw.cell(scenario, cell) if flaw else Cell(cell.of)
    if cell == wanted:
        return ""
    if flaw and cell.clean:
        return f"{row}, {scenario}: clean, and its flaw says otherwise: {flaw.why}"
    return f"{row}, {scenario}: {cell}, expected {wanted}"
