"""The log in memory: for tests, and where nothing must outlive the process."""
