"""What grows with hosts, releases, checks and history, and how fast."""
