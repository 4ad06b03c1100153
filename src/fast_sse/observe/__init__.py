"""Observers are told small frozen facts and never change what the hub does."""
