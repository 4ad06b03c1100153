"""The servers under load: how each is started on a core of its own, asked for its version, and stopped."""
