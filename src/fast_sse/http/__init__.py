"""HTTP in and out: rules live once in endpoints.py, and the listeners only carry bytes to and from them."""
