BEARERD=http://{{.Listen}}

echo '== 1. Without a token the API says no, and how to ask.'
curl -si $BEARERD/api/specimens

echo '== 2. A user gets a token for one collection with their password.'
get_token() {
  curl -s $BEARERD/accounts/token/ -d username=spadmin --data-urlencode 'password=test#password' \
    -d collectionid=4 | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p'
}
TOKEN=$(get_token)
echo "$TOKEN"

echo '== 3. With it they read, and the API knows who is asking.'
curl -s -H "Authorization: Bearer $TOKEN" $BEARERD/api/specimens
curl -s -H "Authorization: Bearer $TOKEN" $BEARERD/api/whoami

echo '== 4. They write.'
curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
  -d '{"catalog_number": "KU 4711", "name": "Perca flavescens"}' $BEARERD/api/specimens

echo '== 5. They take the token back. The answer comes when no server accepts it any more.'
curl -s -H "Authorization: Bearer $TOKEN" -d "token=$TOKEN" $BEARERD/oauth2/revoke

echo '== 6. From then on it is refused.'
curl -si -H "Authorization: Bearer $TOKEN" $BEARERD/api/specimens

echo '== 7. Why? The owner can ask with another token, and the operator with the database.'
curl -s -H "Authorization: Bearer $(get_token)" -H 'Content-Type: application/json' \
  -d "{\"token\": \"$TOKEN\"}" $BEARERD/auth/api/v1/explain
echo "$TOKEN" | {{.Program}} token explain --config {{.Dir}}/bearerd.yaml

echo '== 8. A batch job has no password: its client gets a token with a secret.'
curl -s -u ci:demo-1f8b6c0e5d7a49328e11c4b0a9d2f673 -d grant_type=client_credentials -d scope=read $BEARERD/oauth2/token

echo '== 9. The same users, in the words of SENAITE, Fence and Hypothesis.'
curl -s -u 'jthomas:test#password' $BEARERD/@@API/senaite/v1/users/current
curl -s -H "Authorization: Bearer $(get_token)" $BEARERD/user
curl -s -H "Authorization: Bearer $(get_token)" $BEARERD/api/profile

