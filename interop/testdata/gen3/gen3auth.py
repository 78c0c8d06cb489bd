"""The requests of gen3sdk-python's Gen3Auth: a key is traded where its issuer says, a
client asks with its parameters in the query, and each call is tried once more."""
import base64
import json
import os
from urllib.parse import urlparse

import requests
from requests.auth import AuthBase


def payload(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def endpoint_of(token):
    issuer = urlparse(payload(token)["iss"])
    return issuer.scheme + "://" + issuer.hostname + (":" + str(issuer.port) if issuer.port else "")


class Auth(AuthBase):
    def __init__(self, fetch):
        self.fetch = fetch
        self.token = None
        self.retries = 0

    def value(self):
        self.token = self.token or self.fetch()
        return "bearer " + self.token

    def __call__(self, request):
        request.headers["Authorization"] = self.value()
        request.register_hook("response", self.again)
        return request

    def again(self, response, **kwargs):
        if response.status_code not in (401, 403):
            return response
        self.retries += 1
        response.content
        response.close()
        request = response.request.copy()
        request.headers["Authorization"] = self.value()
        return response.connection.send(request, **kwargs)


def by_key(file):
    answer = requests.post(endpoint_of(file["api_key"]) + "/user/credentials/cdis/access_token", json=file)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def by_client(endpoint, client, scopes):
    answer = requests.post(f"{endpoint}/user/oauth2/token?grant_type=client_credentials&scope={scopes}", auth=client)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


commons = os.environ["COMMONS"]
file = json.loads(os.environ["CREDENTIALS"])
assert endpoint_of(file["api_key"]) == commons, payload(file["api_key"])

user = Auth(lambda: by_key(file))
me = requests.get(commons + "/user/user", auth=user)
assert me.status_code == 200 and me.json()["username"] == "ada", me.text
claims = payload(user.token)
assert sorted(claims["scope"]) == ["data", "fence", "openid", "user"], claims
assert claims["pur"] == "access" and claims["azp"] == "" and claims["context"]["user"]["name"] == "ada", claims
assert requests.get(commons + "/user/user/anyaccess", auth=user).json() == {"result": "success"}

client = Auth(lambda: by_client(commons, (os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]), "user data openid"))
client.value()
claims = payload(client.token)
assert claims["scope"] == ["user", "data", "openid"] and claims["azp"] == os.environ["CLIENT_ID"], claims
assert claims["pur"] == "access" and claims["context"] == {}, claims

assert user.retries == 0, user.retries
answer = requests.delete(commons + "/user/credentials/api/" + file["key_id"], auth=user)
assert answer.status_code == 403 and user.retries == 1, answer.text  # a key's token has no scope credentials
bad = requests.post(commons + "/user/credentials/cdis/access_token", json={"api_key": "nothing"})
assert bad.status_code == 401 and bad.json()["message"], bad.text
