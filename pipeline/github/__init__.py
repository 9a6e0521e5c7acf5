"""GitHub: what our workflow files say, what GitHub makes of them, and replaying it here."""
