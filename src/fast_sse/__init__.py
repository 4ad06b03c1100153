"""Fast SSE: a hub for server-sent events in which nothing acknowledged disappears without being named.

The package is layered and imports only point down (the contracts in pyproject.toml enforce it):
cli, app, config, http, hub, store, observe, model. Nothing is imported here, so that using one layer
costs no more than that layer.
"""

__version__ = "0.1.0"
