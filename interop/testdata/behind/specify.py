"""Specify 7 behind bearerd: what its front end sends, and what scripts do that sign in
and go on with the session."""
import os
import requests

base, user, password = os.environ["BEARERD"], os.environ["USERNAME"], os.environ["PASSWORD"]


def ajax(session, method, path, **more):
    """A request as the front end makes it: unsafe ones repeat the cookie."""
    headers = {"Accept": "application/json", **more.pop("headers", {})}
    if method not in ("GET", "HEAD", "OPTIONS"):
        headers["X-CSRFToken"] = session.cookies["csrftoken"]
    return session.request(method, base + path, headers=headers, **more)


session = requests.Session()
form = ajax(session, "GET", "/context/login/").json()
assert form["username"] is None and form["collections"]["KU Fish Voucher Collection"] == 4, form
form.update(username=user, password="wrong", collection=4)
assert ajax(session, "PUT", "/context/login/", json=form).status_code == 403
form.update(password=password)
assert ajax(session, "PUT", "/context/login/", json=form).status_code == 204

seen = ajax(session, "GET", "/context/user.json").json()
assert (seen["user"], seen["collection"], seen["kind"]) == (user, "4", "session"), seen
assert "sessionid" not in seen["cookie"] and "csrftoken" in seen["cookie"], seen
seen = ajax(session, "POST", "/api/specify/collectionobject/", json={"text1": "x"})
assert seen.status_code == 200 and seen.json()["user"] == user, seen.text
refused = session.post(base + "/api/specify/collectionobject/", json={"text1": "x"})
assert refused.status_code == 403, refused.text

form.update(username=None, password=None, collection=None)
assert ajax(session, "PUT", "/context/login/", json=form).status_code == 204
assert ajax(session, "GET", "/api/specify/collectionobject/").status_code == 401
assert ajax(session, "GET", "/context/user.json").json()["user"] == ""

answer = requests.post(base + "/accounts/token/", data={
    "username": user, "password": password, "collectionid": 4, "expires": 600, "refresh": "true"})
assert answer.status_code == 200, answer.text
pair = answer.json()
bearer = {"Authorization": "Bearer " + pair["access_token"]}
seen = requests.post(base + "/api/specify/collectionobject/", headers=bearer, json={}).json()
assert (seen["user"], seen["collection"], seen["authorization"]) == (user, "4", ""), seen
answer = requests.post(base + "/accounts/token/refresh/", data={"refresh_token": pair["refresh_token"]})
assert answer.status_code == 200, answer.text
again = answer.json()
bearer = {"Authorization": "Bearer " + again["access_token"]}
assert requests.get(base + "/api/specify/taxon/", headers=bearer).json()["collection"] == "4"
answer = requests.post(base + "/accounts/token/revoke/", headers=bearer, data={"refresh_token": again["refresh_token"]})
assert answer.status_code == 204, answer.text
assert requests.get(base + "/api/specify/taxon/", headers=bearer).status_code == 401
