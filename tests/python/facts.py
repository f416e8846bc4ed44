"""What the scripts are told: the environment's facts, as a JSON file named by the first argument.

It has the shape of env.json: base_url, sites, users, tokens.
"""

import json
import sys
from contextlib import contextmanager

with open(sys.argv[1], encoding="utf-8") as file:
    FACTS = json.load(file)

BASE_URL = FACTS["base_url"]
ACME = FACTS["sites"]["acme"]
GLOBEX = FACTS["sites"]["globex"]
MEMBER = FACTS["users"]["member"]
ADMIN = FACTS["users"]["acme-admin"]
MFA = FACTS["users"]["mfa-member"]
MEMBER_TOKEN = FACTS["tokens"]["member"]
ADMIN_TOKEN = FACTS["tokens"]["acme-admin"]


@contextmanager
def step(name):
    """Says on which step a script failed, or that it went well."""
    try:
        yield
    except BaseException:
        print(f"FAILED: {name}", flush=True)
        raise
    print(f"ok: {name}", flush=True)


def same(found, expected):
    """Fails with both values shown."""
    assert found == expected, f"found {found!r}, expected {expected!r}"
