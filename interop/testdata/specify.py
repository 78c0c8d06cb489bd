"""The documented flow of Specify 7: context, sign in, token, use, revoke."""
import os
import requests

base, user, password = os.environ["BEARERD"], os.environ["USERNAME"], os.environ["PASSWORD"]

session = requests.Session()
context = session.get(base + "/context/login/").json()
collection = context["collections"]["KU Fish Voucher Collection"]
answer = session.put(base + "/context/login/",
                     json={"username": user, "password": password, "collection": collection},
                     headers={"X-CSRFToken": session.cookies["csrftoken"]})
assert answer.status_code == 204, answer.text
assert "sessionid" in session.cookies and "collection" in session.cookies

answer = requests.post(base + "/accounts/token/",
                       data={"username": user, "password": password, "collectionid": collection, "expires": 600})
assert answer.status_code == 200, answer.text
token, lifetime = answer.json()["access_token"], answer.json()["expires_in"]
assert lifetime == 600, lifetime

bearer = {"Authorization": "Bearer " + token}
assert requests.get(base + "/auth/verify", params={"collection": collection}, headers=bearer).status_code == 200
answer = requests.post(base + "/accounts/token/revoke/", data={"access_token": token}, headers=bearer)
assert answer.status_code == 204, answer.text
answer = requests.get(base + "/auth/verify", headers=bearer)
assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer "), answer.headers
