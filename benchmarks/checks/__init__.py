"""`inv check` beside its peers, on a copy of the sample app: what the project promises of speed."""
