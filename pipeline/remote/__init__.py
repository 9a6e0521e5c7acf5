"""Servers: hosts.toml, keys, host-key policy, connections and transfer."""
