"""The documented use of the Hypothesis API with a developer token."""
import os
import re
import requests

base, user, password = os.environ["BEARERD"], os.environ["USERNAME"], os.environ["PASSWORD"]

session = requests.Session()
answer = session.post(base + "/auth/login", data={"username": user, "password": password}, allow_redirects=False)
assert answer.status_code == 303, answer.status_code

page = session.post(base + "/profile/developer")
tokens = re.findall(r"6879-[0-9A-Za-z]{36}", page.text)
assert page.status_code == 200 and tokens, page.text
token = tokens[0]
assert token not in session.get(base + "/profile/developer").text

profile = requests.get(base + "/api/profile", headers={"Authorization": "Bearer " + token}).json()
assert profile["userid"].startswith("acct:" + user + "@"), profile
assert requests.get(base + "/api/profile").json()["userid"] is None

short = session.get(base + "/api/token")
assert short.status_code == 200 and short.text.count(".") == 2, short.text
assert requests.get(base + "/auth/verify", headers={"Authorization": "Bearer " + short.text}).status_code == 200

again = session.post(base + "/profile/developer")
assert requests.get(base + "/api/profile", headers={"Authorization": "Bearer " + token}).status_code == 401
assert again.status_code == 200
