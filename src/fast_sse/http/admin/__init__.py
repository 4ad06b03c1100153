"""The second listener, for operators only: it shows and repairs, and is never on the road of a message."""
