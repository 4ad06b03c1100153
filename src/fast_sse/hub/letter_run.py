"""A run over many letters: where it stands, where it ends, and how much of it is done at once.

A run goes from the oldest letter to the newest of the moment when it began, so that letters that come meanwhile, such as
those of messages that it replayed, are no part of it. It is a text that goes to the caller and comes back.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence

import msgspec

from fast_sse.model.errors import BadRequestError
from fast_sse.model.letter import Letter
from fast_sse.model.limits import MIB

#: Letters that are published at once, and their bytes (or one larger letter).
_CHUNK_LETTERS = 100
_CHUNK_BYTES = 4 * MIB
#: Digits of a position: twice 64 bits at most.
_DIGITS_MAX = 40

#: A letter's place in the order of all letters.
Place = tuple[int, str]
#: Before all letters.
BEGINNING: Place = (-1, "")


class Run(msgspec.Struct, frozen=True):
    """Where a run stands: it ends with the letter at `upto`; the next page begins after the list's cursor `after`, and of
    that page nothing up to `done`.
    """

    upto: Place
    after: str
    done: Place

    def past(self, head: Letter) -> Run:
        """The same run, and nothing up to `head`."""
        return Run(self.upto, self.after, place_of(head))

    @property
    def text(self) -> str:
        """For `next`. Positions are text: some are wider than a number of JSON."""
        fields = (str(self.upto[0]), self.upto[1], self.after, str(self.done[0]), self.done[1])
        return base64.urlsafe_b64encode(msgspec.json.encode(fields)).rstrip(b"=").decode()


def run_of(text: str) -> Run:
    """Raises BadRequestError when it is not the text of a run."""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        upto, upto_id, after, done, done_id = msgspec.json.decode(raw, type=tuple[str, str, str, str, str])
        return Run((_number(upto), upto_id), after, (_number(done), done_id))
    except (UnicodeError, binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise BadRequestError("the cursor is not one of this route") from error


def _number(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise ValueError
    return int(text)


def place_of(head: Letter) -> Place:
    """Of a letter."""
    return head.position, head.id


def chunks(heads: Sequence[Letter]) -> Iterator[list[Letter]]:
    """Letters that are published at once."""
    chunk: list[Letter] = []
    size = 0
    for head in heads:
        if chunk and (len(chunk) == _CHUNK_LETTERS or size + head.size_bytes > _CHUNK_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(head)
        size += head.size_bytes
    if chunk:
        yield chunk
