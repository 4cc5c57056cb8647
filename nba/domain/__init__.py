"""The words of this system as frozen types: plain Python, no I/O, no framework."""
