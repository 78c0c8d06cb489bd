"""SENAITE behind bearerd: the requests of three kinds of clients that exist. Instruments'
senders give Basic with every request, integrations log in by the URL and go on with the
first cookie or with the token, and all of them ask by the site's name."""
import os
import requests

base, user, password = os.environ["BEARERD"], os.environ["USERNAME"], os.environ["PASSWORD"]
api = base + "/senaite/@@API/senaite/v1"

# A sender of an instrument: Basic with every request, a look at who one is, then a push.
sender = requests.Session()
sender.auth = (user, password)
version = sender.get(api + "/version").json()
assert version["application"] == "GET /senaite/@@API/senaite/v1/version" and version["user"] == user, version
who = sender.get(api + "/users/current").json()
assert who["items"][0]["authenticated"] is True and who["_runtime"] >= 0, who
pushed = sender.post(api + "/push", data={"consumer": "senaite.lis2a.import", "messages": ["H|x"]}).json()
assert pushed["user"] == user and pushed["form"] == "senaite.lis2a.import" and pushed["authorization"] == "", pushed
wrong = requests.get(api + "/version", auth=(user, "wrong"))
assert wrong.status_code == 401, wrong.text

# An integration: logs in by the URL, keeps the first cookie by hand.
login = requests.get(api + "/login", params={"__ac_name": user, "__ac_password": password})
assert login.json()["items"][0]["authenticated"] is True and login.json()["_runtime"] >= 0, login.text
first = login.headers["Set-Cookie"].split(";")[0]
found = requests.get(api + "/search", params={"portal_type": "Client"}, headers={"Cookie": first}).json()
assert found["user"] == user and "token=" not in found["cookie"], found

# A page that is signed in already asks for a token, and uses it as a Bearer.
page = requests.Session()
assert page.post(base + "/auth/login", data={"username": user, "password": password}, allow_redirects=False).status_code == 303
token = page.get(api + "/login").json()["token"]
bearer = {"Authorization": "Bearer " + token}
assert "_runtime" in requests.get(api + "/auth", headers=bearer).json()
found = requests.get(api + "/analysisrequest", headers={"X-JWT-Auth-Token": token}).json()
assert found["user"] == user and found["kind"] == "access", found
out = requests.get(api + "/users/logout", params={"revoke": "true"}, headers=bearer).json()
assert out["authenticated"] is False and out["success"] is True, out
assert requests.get(api + "/auth", headers=bearer).status_code == 401
assert requests.get(api + "/analysisrequest", headers=bearer).status_code == 401
