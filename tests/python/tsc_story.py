"""The story of a script that uses tableauserverclient, against a running patd."""

import tableauserverclient as TSC
from facts import ACME, ADMIN, ADMIN_TOKEN, BASE_URL, GLOBEX, MEMBER, MEMBER_TOKEN, MFA, same, step

PLAIN_401001 = "Error signing in to Tableau Server"
PLAIN_401002 = "Invalid authentication credentials were provided."


def server(version=None):
    new = TSC.Server(BASE_URL, use_server_version=version is None)
    if version is not None:
        new.version = version
    return new


def pat(token, site, secret=None):
    return TSC.PersonalAccessTokenAuth(token["name"], secret or token["secret"], site_id=site)


def refused(code, call, *arguments):
    """The detail of a refusal with this code."""
    try:
        call(*arguments)
    except (TSC.server.endpoint.exceptions.FailedSignInError, TSC.ServerResponseError) as error:
        same(error.code, code)
        assert error.summary and error.detail, "an error body has all three parts"
        return error.detail
    raise AssertionError(f"was not refused with {code}")


with step("server info is negotiated"):
    negotiated = server()
    info = negotiated.server_info.get()
    same(info.rest_api_version, "3.27")
    same(info.product_version, "2025.3.0")
    same(info.build_number, "20253.25.1203.0555")
    negotiated.use_server_version()
    same(negotiated.version, "3.27")

with step("a token signs in at its home site, in any spelling, and at the other site"):
    for site, content_url in ((ACME, "acme"), (ACME, "ACME"), (GLOBEX, GLOBEX["content_url"])):
        here = server()
        with here.auth.sign_in(pat(MEMBER_TOKEN, content_url)):
            same(here.site_id, site["luid"])
            same(here.user_id, MEMBER["luid"])
            same(here.auth_token.split("|")[2], site["luid"])
            same(here.users.get_by_id(here.user_id).name, MEMBER["username"])

with step("old versions sign in, too"):
    for version in ("3.6", "3.19"):
        old = server(version)
        with old.auth.sign_in(pat(MEMBER_TOKEN, ACME["content_url"])):
            same(old.users.get_by_id(old.user_id).id, MEMBER["luid"])

with step("a second sign-in ends the first session at once, at another site as well"):
    first, second = server(), server()
    first.auth.sign_in(pat(MEMBER_TOKEN, ACME["content_url"]))
    second.auth.sign_in(pat(MEMBER_TOKEN, GLOBEX["content_url"]))
    detail = refused("401002", first.users.get_by_id, MEMBER["luid"])
    assert detail.startswith(PLAIN_401002 + " (session-superseded: "), detail
    same(second.users.get_by_id(MEMBER["luid"]).site_role, MEMBER["sites"]["globex"])

with step("signing out a dead session says so and does not touch the live one"):
    assert "session-superseded" in refused("401002", first.auth.sign_out)
    same(second.users.get_by_id(MEMBER["luid"]).id, MEMBER["luid"])

with step("a refused sign-in ends nothing"):
    same(refused("401001", server().auth.sign_in, pat(MEMBER_TOKEN, "acme", "wrong")), PLAIN_401001)
    same(second.users.get_by_id(MEMBER["luid"]).id, MEMBER["luid"])

with step("after sign-out the session is told that it was signed out"):
    kept = second.auth_token
    second.auth.sign_out()
    second._set_auth(GLOBEX["luid"], MEMBER["luid"], kept, GLOBEX["content_url"])
    assert "session-signed-out" in refused("401002", second.users.get_by_id, MEMBER["luid"])
    second._set_auth(GLOBEX["luid"], MEMBER["luid"], "rubbish", GLOBEX["content_url"])
    same(refused("401002", second.users.get_by_id, MEMBER["luid"]), PLAIN_401002)

with step("wrong name, wrong secret, unknown site and no site are one and the same refusal"):
    wrong_name = TSC.PersonalAccessTokenAuth("another", MEMBER_TOKEN["secret"], site_id="acme")
    changed = MEMBER_TOKEN["secret"][:-1] + ("a" if MEMBER_TOKEN["secret"][-1] != "a" else "b")
    for auth in (
        wrong_name,
        pat(MEMBER_TOKEN, "acme", changed),
        pat(MEMBER_TOKEN, "no-such-site"),
        pat(MEMBER_TOKEN, ""),
        TSC.TableauAuth("nobody", "wrong", site_id="acme"),
        TSC.TableauAuth(MEMBER["username"], "wrong", site_id="acme"),
    ):
        same(refused("401001", server().auth.sign_in, auth), PLAIN_401001)

with step("a session is switched to a site that allows it, and the session before is over"):
    moving = server()
    moving.auth.sign_in(pat(MEMBER_TOKEN, ACME["content_url"]))
    before = moving.auth_token
    target = TSC.SiteItem("Globex", GLOBEX["content_url"])
    moving.auth.switch_site(target)
    same((moving.site_id, moving.user_id), (GLOBEX["luid"], MEMBER["luid"]))
    same(moving.sites.get_by_id(GLOBEX["luid"]).content_url, GLOBEX["content_url"])
    after = moving.auth_token
    moving.auth.switch_site(target)  # already there: tableauserverclient swallows 403070
    same(moving.auth_token, after)
    refused("401003", moving.auth.switch_site, TSC.SiteItem("x", "no-such-site"))
    stale = server()
    stale._set_auth(ACME["luid"], MEMBER["luid"], before, ACME["content_url"])
    refused("401002", stale.users.get_by_id, MEMBER["luid"])
    moving.auth.sign_out()

with step("sites are the caller's own"):
    there = server()
    with there.auth.sign_in(pat(MEMBER_TOKEN, ACME["content_url"])):
        same(there.sites.get_by_id(ACME["luid"]).content_url, ACME["content_url"])
        for query in ("acme?key=contentUrl", "Acme?key=name"):
            answer = there.session.get(
                f"{BASE_URL}/api/3.27/sites/{query}",
                headers={"X-Tableau-Auth": there.auth_token, "Accept": "application/json"},
            )
            same(answer.json()["site"]["id"], ACME["luid"])
        refused("403069", there.sites.get)
        answers = set()
        for luid in (GLOBEX["luid"], "00000000-0000-4000-8000-000000000000", "no-luid"):
            for below in ("", "/users", f"/users/{MEMBER['luid']}/personal-access-tokens"):
                url = f"{BASE_URL}/api/3.27/sites/{luid}{below}"
                answer = there.session.get(url, headers={"X-Tableau-Auth": there.auth_token})
                same(answer.status_code, 404)
                answers.add(answer.content)
        same(len(answers), 1)

with step("a member may not query others"):
    member = server()
    with member.auth.sign_in(pat(MEMBER_TOKEN, ACME["content_url"])):
        refused("403133", member.users.get)
        refused("403133", member.users.get_by_id, ADMIN["luid"])
        refused("403004", member.users.add, TSC.UserItem("new-person", "Viewer"))

admin = server()
admin.auth.sign_in(pat(ADMIN_TOKEN, ACME["content_url"]))

with step("an admin lists and filters users"):
    users, pagination = admin.users.get()
    same(pagination.total_available, len(users))
    names = [user.name for user in users]
    assert MEMBER["username"] in names and ADMIN["username"] in names, names
    paged = list(TSC.Pager(admin.users, TSC.RequestOptions(pagesize=1)))
    same([user.name for user in paged], names)
    same([user.id for user in admin.users.filter(name=MEMBER["username"])], [MEMBER["luid"]])
    same(list(admin.users.filter(name="nobody")), [])
    refused("403014", admin.users.get, TSC.RequestOptions(pagesize=1001))
    refused("400006", admin.users.get, TSC.RequestOptions(pagenumber=1000))

with step("an admin invites, changes the role, and removes"):
    name = "tsc-" + admin.auth_token[:8]
    added = admin.users.add(TSC.UserItem(name, "Viewer", auth_setting="ServerDefault"))
    same((added.name, added.site_role), (name, "Viewer"))
    refused("409000", admin.users.add, TSC.UserItem(MEMBER["username"], "Viewer"))
    refused("400000", admin.users.add, TSC.UserItem("not a name", "Viewer"))
    read = admin.users.get_by_id(added.id)
    read.site_role = "Explorer"
    same(admin.users.update(read).site_role, "Explorer")
    same(admin.users.get_by_id(added.id).site_role, "Explorer")
    read.site_role = "Interactor"
    refused("400013", admin.users.update, read)
    admin.users.remove(added.id)
    refused("404002", admin.users.get_by_id, added.id)

with step("an admin cannot touch a person, nor the own membership"):
    somebody = admin.users.get_by_id(MEMBER["luid"])
    refused("403004", admin.users.update, somebody, "a-new-password")
    somebody.fullname = "Somebody Else"
    refused("403004", admin.users.update, somebody)
    somebody.fullname, somebody.email = None, "evil@example.org"
    refused("403004", admin.users.update, somebody)
    myself = admin.users.get_by_id(ADMIN["luid"])
    myself.site_role = "Viewer"
    refused("403009", admin.users.update, myself)
    refused("403004", admin.users.remove, ADMIN["luid"])

with step("what only Tableau Server has is refused"):
    refused("403004", admin.auth.revoke_all_server_admin_tokens)
    impersonating = TSC.PersonalAccessTokenAuth(
        ADMIN_TOKEN["name"], ADMIN_TOKEN["secret"], site_id="acme", user_id_to_impersonate=MEMBER["luid"]
    )
    refused("403004", server().auth.sign_in, impersonating)
    assert "jwt" in refused("401001", server().auth.sign_in, TSC.JWTAuth("a.b.c", site_id="acme"))

with step("tokens are listed in both formats, with whole seconds"):
    url = f"{BASE_URL}/api/3.27/sites/{ACME['luid']}/users/{MEMBER['luid']}/personal-access-tokens"
    headers = {"X-Tableau-Auth": admin.auth_token}
    answer = admin.session.get(url, headers={**headers, "Accept": "application/json"})
    same(answer.status_code, 200)
    listed = answer.json()["personalAccessTokens"]["personalAccessToken"]
    found = next(token for token in listed if token["tokenGuid"] == MEMBER_TOKEN["id"])
    same(found["tokenName"], MEMBER_TOKEN["name"])
    for time in (found["lastUsedAt"], found["expiresAt"]):
        same((len(time), time[-1]), (len("2024-06-12T16:55:46Z"), "Z"))
    answer = admin.session.get(url, headers=headers)
    assert answer.text.startswith("<?xml"), answer.text
    assert f'tokenGuid="{MEMBER_TOKEN["id"]}"' in answer.text, answer.text
    assert MEMBER_TOKEN["secret"] not in answer.text

with step("a member lists the own tokens and nobody else's"):
    member = server()
    with member.auth.sign_in(pat(MEMBER_TOKEN, ACME["content_url"])):
        headers = {"X-Tableau-Auth": member.auth_token, "Accept": "application/json"}
        same(member.session.get(url, headers=headers).status_code, 200)
        other = url.replace(MEMBER["luid"], ADMIN["luid"])
        same(member.session.get(other, headers=headers).json()["error"]["code"], "403004")
        same(member.session.delete(f"{other}/{ADMIN_TOKEN['id']}", headers=headers).status_code, 403)
        same(member.session.delete(f"{url}/{ADMIN_TOKEN['id']}", headers=headers).status_code, 404)

with step("an account with MFA is refused by password, and told why only after the right one"):
    detail = refused("401001", server().auth.sign_in, TSC.TableauAuth(MFA["username"], MFA["password"], "acme"))
    assert detail.startswith(PLAIN_401001 + " (password-not-allowed-with-mfa: "), detail
    wrong = TSC.TableauAuth(MFA["username"], "wrong", "acme")
    same(refused("401001", server().auth.sign_in, wrong), PLAIN_401001)

with step("a password signs in where there is no MFA, beside the token's session"):
    by_password = server()
    with by_password.auth.sign_in(TSC.TableauAuth(ADMIN["username"], ADMIN["password"], "acme")):
        same(by_password.users.get_by_id(ADMIN["luid"]).site_role, ADMIN["sites"]["acme"])
        same(admin.users.get_by_id(ADMIN["luid"]).id, ADMIN["luid"])

admin.auth.sign_out()
