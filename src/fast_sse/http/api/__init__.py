"""The rules of the public interface: what a request asks, and what it is answered."""
