"""The words of the hub and their rules: pure values, with no asyncio, clock, environment or I/O."""
