"""The documented use of Fence: an API key is traded for access and task tokens."""
import os
import jwt
import requests

base, user, password = os.environ["BEARERD"], os.environ["USERNAME"], os.environ["PASSWORD"]

session = requests.Session()
answer = session.post(base + "/auth/login", data={"username": user, "password": password}, allow_redirects=False)
assert answer.status_code == 303, answer.status_code
credentials = session.post(base + "/credentials/api").json()
assert credentials["key_id"] and credentials["api_key"]

answer = requests.post(base + "/credentials/api/access_token", json={"api_key": credentials["api_key"]})
assert answer.status_code == 200, answer.text
access = answer.json()["access_token"]
me = requests.get(base + "/user", headers={"Authorization": "bearer " + access})
assert me.status_code == 200 and me.json()["username"] == user, me.text

answer = requests.post(base + "/credentials/api/access_token", params={"task_token": "TES", "expires_in": 100},
                       json={"api_key": credentials["api_key"]})
assert answer.status_code == 200, answer.text
task = answer.json()["access_token"]
kid = jwt.get_unverified_header(task)["kid"]
pem = dict(requests.get(base + "/jwt/keys").json()["keys"])[kid]
claims = jwt.decode(task, pem, algorithms=[os.environ["ALGORITHM"]], audience="TES", issuer=base)
assert claims["exp"] - claims["iat"] == 100, claims
assert claims["context"]["user"]["name"] == user, claims
assert claims["context"]["task_token_type"] == "TES" and claims["task_token_type"] == "TES", claims
assert claims["pur"] == "access" and isinstance(claims["scope"], list), claims
assert requests.get(base + "/user", headers={"Authorization": "bearer " + task}).status_code == 401

assert requests.post(base + "/credentials/token/denylisted", json={"token": task}).status_code == 200
answer = session.delete(base + "/credentials/api/" + credentials["key_id"])
assert answer.status_code == 204, answer.text
assert requests.post(base + "/credentials/token/denylisted", json={"token": task}).status_code == 403
assert requests.get(base + "/user", headers={"Authorization": "bearer " + access}).status_code == 401
