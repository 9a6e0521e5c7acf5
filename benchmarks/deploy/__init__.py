"""Deploys of one release to one real host, by this project and by its peers, side by side."""
