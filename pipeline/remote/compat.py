"""Import patchwork 1.0.1 on invoke 2: register the one module that it still asks for.

patchwork 1.0.1 (2018, unmaintained) does `from invoke.vendor import six`, gone from invoke 2
(fabric/patchwork#48). It uses nothing of it but `string_types`. With the stand-in registered,
`transfers.rsync`, `files.exists`, `files.directory` and `environment.have_program` work;
`files.contains`/`append` do not quote, and `packages.package`/`info.distro_name` are broken:
do not use those (research/fabric.md section 1).
"""

import sys
import types
from typing import Any

_six: Any = types.ModuleType("invoke.vendor.six")
_six.string_types = (str,)
sys.modules.setdefault("invoke.vendor.six", _six)

from patchwork.transfers import rsync  # noqa: E402  (the stand-in must be there first)

__all__ = ["rsync"]
