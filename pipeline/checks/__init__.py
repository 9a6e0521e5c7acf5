"""The check table, the scheduler, the verdicts and their reports."""
