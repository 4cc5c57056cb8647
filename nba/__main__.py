"""``python -m nba``."""

from nba.cli import main

main()
