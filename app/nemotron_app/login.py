"""What does `nemotron-playground login` say and do?"""

import sys

from nemotron_app.accounts.device_login import Invitation, LoginFailed, log_in


def print_key(server: str, scope: str) -> int:
    """Invite the person on the error stream; the key alone goes to standard output, to be caught there."""
    try:
        key = log_in(server, _invite, scope=scope)
    except LoginFailed as error:
        print(f"nemotron-playground: {error}", file=sys.stderr)
        return 1
    print(key)
    return 0


def _invite(invitation: Invitation) -> None:
    minutes = max(1, invitation.seconds // 60)
    print(f"Open {invitation.url}", file=sys.stderr)
    print(f"and agree there to the code {invitation.code} within {minutes} minutes.", file=sys.stderr)
