"""The story of a script that uses tableau-api-lib (JSON both ways), against a running patd."""

from facts import ACME, ADMIN, ADMIN_TOKEN, BASE_URL, GLOBEX, MEMBER, MEMBER_TOKEN, MFA, same, step
from tableau_api_lib import TableauServerConnection


def connection(site, token=None, user=None, version="3.27"):
    config = {
        "server": BASE_URL,
        "api_version": version,
        "username": user["username"] if user else "",
        "password": user["password"] if user else "",
        "personal_access_token_name": token["name"] if token else "",
        "personal_access_token_secret": token["secret"] if token else "",
        "site_name": site["content_url"],
        "site_url": site["content_url"],
    }
    return TableauServerConnection({"patd": config}, env="patd")


def code(answer):
    error = answer.json()["error"]
    assert error["summary"] and error["detail"], error
    same(error["code"][:3], str(answer.status_code))
    return error["code"]


with step("server info"):
    info = connection(ACME, MEMBER_TOKEN).server_info().json()["serverInfo"]
    same(info["restApiVersion"], "3.27")
    same(info["productVersion"], {"value": "2025.3.0", "build": "20253.25.1203.0555"})

with step("sign in at both sites; the second sign-in ends the first session"):
    first, second = connection(ACME, MEMBER_TOKEN), connection(GLOBEX, MEMBER_TOKEN, version="3.10")
    same(first.sign_in().status_code, 200)
    same((first.site_id, first.user_id), (ACME["luid"], MEMBER["luid"]))
    same(second.sign_in().status_code, 200)
    same(second.site_id, GLOBEX["luid"])
    same(code(first.query_site()), "401002")
    assert "session-superseded" in first.query_site().json()["error"]["detail"]
    same(second.query_site().json()["site"]["contentUrl"], GLOBEX["content_url"])

with step("a connection that holds a dead session signs in again"):
    same(first.sign_in().status_code, 200)
    same(first.query_site().status_code, 200)

with step("switch site and sign out"):
    same(first.switch_site(GLOBEX["content_url"]).status_code, 200)
    same(first.site_id, GLOBEX["luid"])
    same(first.query_site().json()["site"]["id"], GLOBEX["luid"])
    same(code(first.query_sites()), "403069")
    answer = first.sign_out()
    same((answer.status_code, answer.content), (204, b""))
    assert "content-type" not in answer.headers

with step("an admin lists users"):
    admin = connection(ACME, ADMIN_TOKEN)
    admin.sign_in()
    listed = admin.get_users_on_site().json()
    assert isinstance(listed["pagination"]["totalAvailable"], str), listed
    users = {user["name"]: user for user in listed["users"]["user"]}
    same(users[ADMIN["username"]]["id"], ADMIN["luid"])
    same(users[MEMBER["username"]]["siteRole"], MEMBER["sites"]["acme"])
    same(admin.sign_out().status_code, 204)

with step("an account with MFA is refused by password"):
    answer = connection(ACME, user=MFA).sign_in()
    same(code(answer), "401001")
    assert "password-not-allowed-with-mfa" in answer.json()["error"]["detail"]
