"""Settings: flags beat the environment, the environment beats the file, and everything unknown is refused.

A hub that starts with a setting it did not understand does something else than its operator believes, so a
misspelt key, a value out of range, a missing or weak secret all end the start with one line that names the
dotted key. The line never shows the value: it may be a secret pasted under the wrong name (CWE-532).

What others put into our name space, and what counts as empty: `environment.py`. A secret may stand in a file of its
own, named by the same key with `_file` behind it.

    TOML           [auth]
                   secret = "..."
    environment    FAST_SSE_AUTH__SECRET=...    lists are JSON or comma-separated, auth.keys is a JSON object
"""

from __future__ import annotations

import difflib
import os
import re
import socket
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from fast_sse.checks import problems_of
from fast_sse.complaints import said
from fast_sse.environment import PREFIX, key_of, settings_of
from fast_sse.http.front.tls import Chain
from fast_sse.hub.telling import LetterRules
from fast_sse.model.errors import ConfigError
from fast_sse.model.limits import MIB, Limits
from fast_sse.model.signature import Keyring
from fast_sse.origins import origins, shown
from fast_sse.setting_groups import Group
from fast_sse.settings import TOP_LEVEL_LIMITS, Settings
from fast_sse.store.base import Retention
from fast_sse.store.letters import LetterBounds

#: What `retention.max_bytes` is when it is not set.
_MAX_BYTES = {"sqlite": 1024 * MIB, "memory": 256 * MIB, "redis": 1024 * MIB, "kafka": 1024 * MIB}


class Config(Settings):
    """Every setting of the hub, checked and frozen. Build it with `load`."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        enable_decoding=False,  # the fields say themselves how their text is read
    )

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def read_from(self, origins: dict[str, str]) -> None:
        """Keep where each setting is from, by its name."""
        self._origins = origins

    def effective(self) -> Iterator[tuple[str, str, str]]:
        """Name, value and origin of every setting, in the order of their names. Of a secret it is only said that it is set."""
        for name in setting_names():
            value: Any = self
            for part in name.split("."):
                value = getattr(value, part)
            yield name, shown(value), self._origins.get(name, "default")

    @property
    def node_name(self) -> str:
        """What this process is called in logs, metrics and the names of its files, at most 64 characters.

        Unless `node` says it: the machine and the port, or where the port is the kernel's choice, the process.
        """
        if self.node is not None:
            return self.node
        suffix = f"-{self.port}" if self.port else f"-pid{os.getpid()}"
        return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[: 64 - len(suffix)] + suffix

    def of_worker(self, process: int) -> Config:
        """The settings of one of several processes of one address, as another server's workers are.

        Those that share a store each need a name. Where none is set, it is that of the machine and the port, which they
        share, so the number of the process is added.
        """
        if self.node is not None or self.store != "redis":
            return self
        suffix = f"-pid{process}"
        return self.model_copy(update={"node": self.node_name[: 64 - len(suffix)] + suffix})

    @property
    def queue_servers(self) -> str:
        """The brokers of `ingest.kafka_topic`: its own, or else the store's."""
        return self.ingest.kafka_topic.bootstrap_servers or self.kafka.bootstrap_servers

    @property
    def queue_options(self) -> dict[str, str]:
        """What its client is told beside: its own, or else the store's, but only for the store's own brokers.

        Passwords of one cluster are not for another one.
        """
        topic = self.ingest.kafka_topic
        shared = self.kafka.options if topic.bootstrap_servers is None else {}
        options = shared if topic.options is None else topic.options
        return {name: value.get_secret_value() for name, value in options.items()}

    @property
    def chain(self) -> Chain | None:
        """The certificate of the public listener; None without TLS."""
        tls = self.tls
        if tls.cert is None:
            return None
        return Chain(tls.cert, tls.key, tls.key_password.get_secret_value() if tls.key_password else "")

    @property
    def ending_in_space(self) -> list[str]:
        """Which secrets end in white space: as a rule it came with them from a file or a shell."""
        auth = self.auth
        secrets = {f"auth.{name}": value for name, value in auth if isinstance(value, SecretStr)}
        if auth.jwt.secret is not None:
            secrets["auth.jwt.secret"] = auth.jwt.secret
        secrets |= {f"auth.keys ({kid})": value for kid, value in auth.keys.items()}
        if self.admin.key is not None:
            secrets["admin.key"] = self.admin.key
        return [name for name, value in secrets.items() if value.get_secret_value()[-1:].isspace()]

    @property
    def bounds(self) -> Limits:
        """The limits as the hub takes them."""
        own = {name: getattr(self, name) for name in TOP_LEVEL_LIMITS}
        limits = dict(self.limits)
        if not self.compression_epochs:
            limits["epoch_sets_max"] = 0
        return Limits(**own, **limits)

    @property
    def kept(self) -> Retention:
        """The retention as a store takes it: None where there is no bound."""
        max_bytes = self.retention.max_bytes
        return Retention(
            max_age_s=self.retention.max_age_s or None,
            max_bytes=(_MAX_BYTES[self.store] if max_bytes is None else max_bytes) or None,
            max_messages=self.retention.max_messages or None,
            clock_patience_s=self.retention.clock_patience_s,
        )

    @property
    def letter_bounds(self) -> LetterBounds:
        """How many dead letters a store keeps."""
        rules = self.dead_letters
        return LetterBounds(
            max_count=rules.max_count,
            max_bytes=rules.max_bytes,
            max_age_s=rules.max_age_s,
            poison_max=self.bounds.poison_max,
        )

    @property
    def letter_rules(self) -> LetterRules:
        """When a message becomes one, as the hub takes it."""
        rules = self.dead_letters
        return LetterRules(
            enabled=rules.enabled,
            grace_s=rules.grace_s,
            max_count=rules.max_count,
            max_age_s=rules.max_age_s,
            ignored=rules.ignored_event_types,
        )

    @property
    def keyring(self) -> Keyring:
        """The secrets as the signature check takes them."""
        auth = self.auth
        return Keyring(
            v1=auth.v1,
            secret=_bytes(auth.secret),
            secret_previous=_bytes(auth.secret_previous),
            publish_secret=_bytes(auth.publish_secret),
            publish_secret_previous=_bytes(auth.publish_secret_previous),
            keys={kid: _bytes(secret) for kid, secret in auth.keys.items()},
            signing_kid=auth.signing_kid or (next(iter(auth.keys)) if len(auth.keys) == 1 else ""),
        )


def load(
    file: Path | None = None, flags: Mapping[str, Any] | None = None, *, mounted: bool = False
) -> Config:
    """Read all sources and check them. `flags` are top-level settings; None in it means not given.

    `mounted`: for `fast_sse.asgi.app`, inside an application. There may be no secret then, if something else says who reads.

    Raises:
        ConfigError: names the first thing that is wrong, and the keys of all others.
    """
    for unknown in _unknown_environment():
        raise unknown
    try:
        config = _sourced(file, flags)
    except ValidationError as error:
        raise _config_error(error) from None
    for key, problem in problems_of(config, mounted=mounted):
        raise ConfigError(key, problem)
    return config


def problems(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> list[ConfigError]:
    """Everything that keeps `load` from returning, as far as it can be told at once; empty when it returns."""
    found = list(_unknown_environment())
    try:
        config = _sourced(file, flags)
    except ConfigError as error:
        return [*found, error]
    except ValidationError as error:
        return [*found, *(ConfigError(key, problem) for key, problem in _mistakes(error).items())]
    return [*found, *(ConfigError(key, problem) for key, problem in problems_of(config))]


def _sourced(file: Path | None, flags: Mapping[str, Any] | None) -> Config:
    """The settings of all sources, each of the right shape."""
    from_file = _read_toml(file) if file else {}

    class Sourced(Config):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  the signature is pydantic's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            assert isinstance(env_settings, EnvSettingsSource)
            env_settings.env_vars = {name.lower(): value for name, value in settings_of(os.environ).items()}
            return init_settings, env_settings, InitSettingsSource(settings_cls, from_file)

    given = {name: value for name, value in (flags or {}).items() if value is not None}
    config = Sourced(**given)
    config.read_from(origins(setting_names(), given, os.environ, from_file))
    return config


def setting_names() -> list[str]:
    """The dotted name of every setting, sorted; `auth.keys` is one of them."""
    return sorted(_names(Config, ""))


def _names(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Group):
            yield from _names(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))  # editors put a byte order mark before it
    except OSError as error:
        raise ConfigError("--config", f"cannot read {file}: {error.strerror}") from None
    except ValueError as error:  # not UTF-8, or not TOML: neither message shows more than one character
        raise ConfigError("--config", f"{file} is not TOML: {error}; correct that line") from None


def _unknown_environment() -> Iterator[ConfigError]:
    """pydantic-settings looks up names it knows; we want to hear of those it does not."""
    for name in sorted(settings_of(os.environ)):
        if (key := key_of(name)).partition(".")[0] not in Config.model_fields:
            yield ConfigError(key, _unknown(key))


def _config_error(error: ValidationError) -> ConfigError:
    """The first mistake in a sentence, the others by name."""
    found = _mistakes(error)
    key, problem = next(iter(found.items()))
    others = ", ".join(list(found)[1:])
    return ConfigError(key, problem + (f" (also wrong: {others})" if others else ""))


def _mistakes(error: ValidationError) -> dict[str, str]:
    """Key and problem of every value of the wrong shape."""
    found = {}
    for mistake in error.errors(include_url=False, include_input=False):
        key = _key_of(mistake["loc"])
        found[key] = _unknown(key) if mistake["type"] == "extra_forbidden" else said(mistake)
    return found


def _unknown(key: str) -> str:
    close = difflib.get_close_matches(key, setting_names(), n=1)
    advice = f"did you mean {close[0]}?" if close else "see them all with: fast-sse config show"
    variables = [f" (in {name})" for name in settings_of(os.environ) if key_of(name) == key]
    return "".join([f"unknown setting; {advice}", *variables[:1]])


def _key_of(place: tuple[int | str, ...]) -> str:
    """The dotted key; a kid is left out, since it may be a secret written in the kid's place."""
    parts = [str(part) for part in place]
    return ".".join(parts[:2] if parts[:2] == ["auth", "keys"] else parts)


def _bytes(secret: SecretStr | None) -> bytes:
    return secret.get_secret_value().encode() if secret else b""
