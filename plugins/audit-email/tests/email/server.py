"""A mail server for the tests: prints its port, then each mail as Python's own email package reads it, one JSON per line.

What it says to a recipient is in the local part: `never…` is refused for good, `later…` once for now, `always-later…` for now each time.
"""

import argparse
import json
import ssl
import sys
import time
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Handler:
    def __init__(self):
        self.put_off = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("never"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("always-later"):
            return "450 4.2.2 mailbox full"
        if address.startswith("later") and address not in self.put_off:
            self.put_off.add(address)
            return "450 4.2.0 come back"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = message_from_bytes(envelope.content, policy=policy.default)
        text, html = mail.get_body(("plain",)), mail.get_body(("html",))
        say(
            {
                "sender": envelope.mail_from,
                "recipients": envelope.rcpt_tos,
                "tls": session.ssl is not None,
                "login": session.auth_data.login.decode() if session.auth_data else None,
                "headers": [[name.lower(), str(value)] for name, value in mail.items()],
                "to": [[one.display_name, one.addr_spec] for one in mail["to"].addresses],
                "date": mail["date"].datetime.isoformat(),
                "type": mail.get_content_type(),
                "text": text.get_content() if text else None,
                "html": html.get_content() if html else None,
                "defects": [str(one) for one in mail.defects],
            }
        )
        return "250 OK"


def say(value):
    print(json.dumps(value), flush=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--protection", choices=["plain", "starttls", "tls"], default="plain")
    arguments.add_argument("--folder")
    arguments.add_argument("--password")
    given = arguments.parse_args()

    context = None
    if given.protection != "plain":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{given.folder}/ca.pem", f"{given.folder}/key.pem")

    def authenticate(server, session, envelope, mechanism, data):
        good = data.login == b"patd" and data.password == given.password.encode()
        return AuthResult(success=good, handled=False, auth_data=data)

    options = {"hostname": "127.0.0.1", "port": 0}
    if given.protection == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    if given.protection == "tls":
        options["ssl_context"] = context
    if given.password:
        options |= {"auth_required": True, "authenticator": authenticate}
        options["auth_require_tls"] = given.protection == "starttls"
    controller = Port(Handler(), **options)
    controller.start()
    say({"port": controller.server.sockets[0].getsockname()[1]})
    sys.stdin.read()


class Port(Controller):
    """aiosmtpd connects to see whether it is up, which needs the port of the system's choice."""

    def _trigger_server(self):
        while not self.server:
            time.sleep(0.01)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


main()
