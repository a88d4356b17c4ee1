"""What `doctor` looks at on this machine; chooses the system's file."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from agent.host import _machine_windows as _here
elif sys.platform == "darwin":
    from agent.host import _machine_macos as _here
else:
    from agent.host import _machine_linux as _here

chromium_policies = _here.chromium_policies
chromium_profiles = _here.chromium_profiles
driver_installed = _here.driver_installed
firefox_policies = _here.firefox_policies
other_software = _here.other_software
service_installed = _here.service_installed
system = _here.system
usb_readers = _here.usb_readers
vpcd_ports = _here.vpcd_ports
