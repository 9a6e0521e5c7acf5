"""What rsync's and ssh's words say of an upload that failed: recorded from both."""

import pytest

from pipeline.remote import transfer

CUT_OFF = "rsync: connection unexpectedly closed (9 bytes received so far) [sender]\n"


@pytest.mark.parametrize(
    ("code", "stderr", "said", "can_heal"),
    [
        (12, f"{CUT_OFF}rsync error: error in rsync protocol data stream (code 12)", CUT_OFF, True),
        (255, "client_loop: send disconnect: Broken pipe\n" + CUT_OFF, "Broken pipe", True),
        (30, "[sender] io timeout after 60 seconds -- exiting", "io timeout", True),
        (255, "Timeout, server web1 not responding.\n" + CUT_OFF, "not responding", True),
        (127, f"sh: 1: rsync: not found\n{CUT_OFF}", "rsync: not found", False),
        (255, f"deploy@web1: Permission denied (publickey).\n{CUT_OFF}", "Permission", False),
        (2, "protocol version mismatch -- is your shell clean?", "login shell there", False),
        (
            11,
            'rsync: [receiver] write failed on "/x": No space left on device (28)',
            "No space left on device",
            True,
        ),
    ],
)
def test_each_failure_has_its_cause_and_only_some_can_heal(
    code: int, stderr: str, said: str, can_heal: bool
):
    problem = transfer.failure("web1", code, stderr)
    assert said.strip() in str(problem)
    assert problem.message.startswith("web1: ")
    assert isinstance(problem, transfer.RsyncUnusable) is not can_heal
