"""The public interface under a server of the ASGI kind."""
