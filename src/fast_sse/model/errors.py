"""The one tree of errors, each with its HTTP status and its public code.

    FastSseError                       status  code
    ├── ClientFaultError               the caller must change something
    │   ├── BadRequestError            400  bad_request
    │   ├── BadChannelError            400  bad_channel
    │   ├── UnauthorizedError          401  unauthorized
    │   │   └── GrantEndedError        401  unauthorized   right in all but its time
    │   ├── ForbiddenError             403  forbidden
    │   ├── NotFoundError              404  not_found
    │   ├── MethodNotAllowedError      405  method_not_allowed
    │   ├── RequestTimeoutError        408  bad_request
    │   ├── KeyConflictError           409  key_conflict
    │   ├── TooLargeError              413  too_large
    │   ├── UnsupportedMediaError      415  unsupported_media
    │   ├── RateLimitedError           429  rate_limited
    │   └── HeadersTooLargeError       431  headers_too_large
    ├── UnavailableError               the caller may try again
    │   ├── NotStoredError             503  not_stored     certainly not stored
    │   ├── OverloadedError            503  overloaded     certainly not stored
    │   ├── UnknownOutcomeError        504  unknown        may be stored: retry with the same key
    │   ├── DiskFullError              507  disk_full      certainly not stored
    │   └── StoreClosedError           503  not_stored     the store is closed
    ├── DefectError                    500  internal       our fault, never the caller's
    └── ConfigError                    exit 2; names the key, never answered over HTTP
        └── HeldError                  exit 1; another process has what the key names

A message is written for the caller and is safe to send: it never carries a secret, a path of the
machine, a key name, a URL or a traceback (CWE-209). Backends translate their own errors at their
boundary with ``raise ... from``.
"""

from __future__ import annotations


class FastSseError(Exception):
    """Root of the tree. `status` is the HTTP status, `code` the public word, `message` one sentence.

    `reason` is one word for the operators' numbers, where a right was refused; no client is told.
    """

    status = 500
    code = "internal"

    def __init__(self, message: str = "", *, retry_after_s: int = 0, reason: str = "") -> None:
        super().__init__(message or self.code)
        self.message = message or self.code
        self.retry_after_s = retry_after_s
        self.reason = reason


class ClientFaultError(FastSseError):
    """The request cannot succeed as it stands. Certainly not stored (guarantee G2)."""

    status, code = 400, "bad_request"


class BadRequestError(ClientFaultError):
    """Malformed framing, head, JSON or field."""


class BadChannelError(ClientFaultError):
    """A segment of the channel breaks a rule of `model.channel`."""

    code = "bad_channel"


class UnauthorizedError(ClientFaultError):
    """Missing, wrong, expired or unknown: one answer for all, so that nothing can be probed."""

    status, code = 401, "unauthorized"


class GrantEndedError(UnauthorizedError):
    """A subscribe signature that was right and has run out: an event stream gets `fast-sse.expired`, everything else 401."""


class ForbiddenError(ClientFaultError):
    """The signature is right, but its scope, the v1 mode or an allow-list does not cover the request."""

    status, code = 403, "forbidden"


class NotFoundError(ClientFaultError):
    """No such route or message."""

    status, code = 404, "not_found"


class MethodNotAllowedError(ClientFaultError):
    """The path exists, this method does not. `allow` is the value of the Allow header."""

    status, code = 405, "method_not_allowed"

    def __init__(self, message: str = "", *, allow: str) -> None:
        super().__init__(message)
        self.allow = allow


class RequestTimeoutError(ClientFaultError):
    """Head or body did not arrive within its deadline (CWE-400, slowloris)."""

    status = 408


class KeyConflictError(ClientFaultError):
    """The same idempotency key came with another body (guarantee G3)."""

    status, code = 409, "key_conflict"


class TooLargeError(ClientFaultError):
    """A body over its limit."""

    status, code = 413, "too_large"


class UnsupportedMediaError(ClientFaultError):
    """A content type or encoding that this route does not take."""

    status, code = 415, "unsupported_media"


class RateLimitedError(ClientFaultError):
    """Over the publish rate (only when `limits.publish_rate` is set)."""

    status, code = 429, "rate_limited"


class HeadersTooLargeError(ClientFaultError):
    """Request line and headers over their limit."""

    status, code = 431, "headers_too_large"


class UnavailableError(FastSseError):
    """The service cannot answer now."""

    status, code = 503, "not_stored"


class NotStoredError(UnavailableError):
    """The store certainly does not hold the message."""


class OverloadedError(UnavailableError):
    """A bound of the hub is reached; nothing was stored."""

    code = "overloaded"


class UnknownOutcomeError(UnavailableError):
    """The message may or may not be stored; the caller retries with the same key."""

    status, code = 504, "unknown"

    def __init__(
        self,
        message: str = "it is unknown whether the message is stored; send it again with the same idempotency key",
        *,
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class DiskFullError(UnavailableError):
    """The disk is full; the transaction was rolled back."""

    status, code = 507, "disk_full"


class StoreClosedError(UnavailableError):
    """The store was closed (or never opened); nothing was stored."""


class DefectError(FastSseError):
    """A broken invariant of ours. The details go to the log, never to the caller."""


class ConfigError(FastSseError):
    """A setting is missing, unknown or bad. `key` is its dotted name, `problem` the rest of the sentence; the command
    exits with 2.
    """

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"{key}: {problem}" if key else problem)
        self.key = key
        self.problem = problem


class HeldError(ConfigError):
    """Another process has what a setting names. It may let go of it, so the command exits with 1."""
