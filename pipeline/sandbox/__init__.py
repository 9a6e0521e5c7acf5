"""A host that needs neither root nor systemd: for `inv demo`, and to look at a deploy closely."""
