"""Stand-ins for a sandbox host's system programs. They are NOT systemd and NOT sudo; see host.py.

Each runs in a bare interpreter (`python -IS`) and imports little, so that it starts fast.
"""
