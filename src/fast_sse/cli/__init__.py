"""One file a command: each reads its options, calls the application, and prints."""
