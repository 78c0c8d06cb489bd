"""The documented use of senaite.jsonapi with token authentication."""
import os
import requests

base = os.environ["BEARERD"] + "/@@API/senaite/v1"
user, password = os.environ["USERNAME"], os.environ["PASSWORD"]

session = requests.Session()
answer = session.post(base + "/login", data={"__ac_name": user, "__ac_password": password})
assert answer.status_code == 200, answer.text
login = answer.json()
assert login["items"][0]["username"] == user and login["token"] and session.cookies["token"] == login["token"]

for place in ({"headers": {"Authorization": "Bearer " + login["token"]}},
              {"headers": {"X-JWT-Auth-Token": login["token"]}},
              {"cookies": {"token": login["token"]}}):
    assert requests.get(base + "/auth", **place).status_code == 200, place
    current = requests.get(base + "/users/current", **place).json()
    assert current["items"][0]["username"] == user, current
assert requests.get(base + "/auth", auth=(user, password)).status_code == 200

refused = requests.get(base + "/auth", headers={"Authorization": "Bearer " + login["token"][:-4]})
assert refused.status_code == 401 and "Basic" in refused.headers["WWW-Authenticate"], refused.headers

gone = session.get(base + "/logout").json()
assert gone["success"] is True and gone["authenticated"] is False and "token" not in session.cookies, gone
assert requests.get(base + "/auth", headers={"Authorization": "Bearer " + login["token"]}).status_code == 200

answer = requests.post(base + "/users/" + user + "/rotate_secret", headers={"Authorization": "Bearer " + login["token"]})
assert answer.status_code == 200, answer.text
assert requests.get(base + "/auth", headers={"Authorization": "Bearer " + login["token"]}).status_code == 401
