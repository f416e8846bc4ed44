"""The story of a shell script that uses tabcmd, against a running patd. The second argument is the command itself.

tabcmd keeps the token in its home folder and signs in anew with every command; none signs out.
"""

import os
import subprocess
import sys
import tempfile

from facts import ACME, ADMIN_TOKEN, BASE_URL, GLOBEX, MEMBER_TOKEN, MFA, same, step

TABCMD = sys.argv[2]


def tabcmd(home, *arguments):
    environment = {**os.environ, "HOME": home, "NO_PROXY": "*"}
    done = subprocess.run(
        [TABCMD, *arguments], env=environment, cwd=home, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout + done.stderr


def sign_in(home, token, site):
    return tabcmd(
        home, "login", "-s", BASE_URL, "-t", site["content_url"],
        "--token-name", token["name"], "--token-value", token["secret"], "--no-certcheck",
    )  # fmt: skip


with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as other:
    with step("sign in by token at both sites"):
        for site in (ACME, GLOBEX):
            status, output = sign_in(home, MEMBER_TOKEN, site)
            same((status, output if status else ""), (0, ""))

    with step("the next command signs in anew by itself"):
        status, output = tabcmd(home, "listsites", "-s", BASE_URL, "-t", GLOBEX["content_url"])
        assert "403069" in output, output

    with step("a wrong secret is refused"):
        status, output = sign_in(other, {**MEMBER_TOKEN, "secret": "wrong"}, ACME)
        same(status, 1)
        assert "401001" in output or "sign" in output.lower(), output

    with step("an account with MFA is refused by password"):
        status, output = tabcmd(
            other, "login", "-s", BASE_URL, "-t", ACME["content_url"],
            "-u", MFA["username"], "-p", MFA["password"], "--no-certcheck",
        )  # fmt: skip
        same(status, 1)

    with step("an admin adds and removes users from a file"):
        same(sign_in(other, ADMIN_TOKEN, ACME)[0], 0)
        name = "tabcmd-" + os.path.basename(home).lower()
        users = os.path.join(other, "users.csv")
        with open(users, "w", encoding="utf-8") as file:
            file.write(f"{name},,,,,,\n")
        status, output = tabcmd(other, "createsiteusers", users, "--role", "Viewer")
        same((status, output if status else ""), (0, ""))
        status, output = tabcmd(other, "deletesiteusers", users)
        same((status, output if status else ""), (0, ""))

    with step("log out"):
        same(tabcmd(home, "logout")[0], 0)
