BEARERD=http://{{.Listen}}
FISHES=$BEARERD/api/collections/4/specimens
TISSUES=$BEARERD/api/collections/32768/specimens
PERCH='{"catalog_number": "KU 4711", "name": "Perca flavescens"}'
bearerd() { {{.Program}} "$@" --config {{.Dir}}/bearerd.yaml 2>/dev/null; }

echo '== 1. Without a token the API says no, and how to ask.'
curl -si $FISHES

echo '== 2. A user gets a token that only reads, here or at {{.Listen}}/auth/tokens.'
READ=$(bearerd token create spadmin --name reader --scope read)
echo "$READ"

echo '== 3. With it they read, and the API knows who is asking.'
curl -s -H "Authorization: Bearer $READ" $FISHES
curl -s -H "Authorization: Bearer $READ" $BEARERD/api/whoami

echo '== 4. They are refused to write with it, and told which scope is missing.'
curl -si -H "Authorization: Bearer $READ" -H 'Content-Type: application/json' -d "$PERCH" $FISHES

echo '== 5. They are refused a collection that they may not enter themselves. jthomas may.'
curl -si -H "Authorization: Bearer $READ" $TISSUES
curl -s -H "Authorization: Bearer $(bearerd token create jthomas --name reader --scope read)" $TISSUES

echo '== 6. A token with the scope write, for one collection, writes there.'
WRITE=$(bearerd token create spadmin --name writer --scope 'read write' --collection 4)
curl -s -H "Authorization: Bearer $WRITE" -H 'Content-Type: application/json' -d "$PERCH" $FISHES

echo '== 7. They revoke it. The answer comes when no server accepts it any more.'
curl -s -H "Authorization: Bearer $WRITE" -d "token=$WRITE" $BEARERD/oauth2/revoke

echo '== 8. From then on it is refused.'
curl -si -H "Authorization: Bearer $WRITE" $FISHES

echo '== 9. Why? The owner can ask with another token, and the operator with the database.'
curl -s -H "Authorization: Bearer $READ" -H 'Content-Type: application/json' \
  -d "{\"token\": \"$WRITE\"}" $BEARERD/auth/api/v1/explain
echo "$WRITE" | bearerd token explain

echo '== 10. A batch job has no password: its client gets a token with a secret.'
curl -s -u ci:demo-1f8b6c0e5d7a49328e11c4b0a9d2f673 -d grant_type=client_credentials -d scope=read $BEARERD/oauth2/token

echo '== 11. The same users, in the words of Specify, SENAITE, Fence and Hypothesis.'
TOKEN=$(curl -s $BEARERD/accounts/token/ -d username=spadmin --data-urlencode 'password=test#password' \
  -d collectionid=4 | sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p')
curl -s -u 'jthomas:test#password' $BEARERD/@@API/senaite/v1/users/current
curl -s -H "Authorization: Bearer $TOKEN" $BEARERD/user
curl -s -H "Authorization: Bearer $TOKEN" $BEARERD/api/profile

