"""Where the log lives: one backend a file, all behind the contract in base.py, none importing another."""
