"""Measurements of the hub, of its parts, and of others under the same load."""
