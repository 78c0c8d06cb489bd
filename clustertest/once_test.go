package clustertest_test

import (
	"bytes"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// atOnce sends the same request that many times concurrently, spread over all nodes,
// and counts the answers by status.
func atOnce(c *clustertest.Cluster, times int, ask clustertest.Ask) (map[int]int, []clustertest.Answer) {
	c.Helper()
	var asking sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	var all []clustertest.Answer
	for i := range times {
		asking.Go(func() {
			a, err := c.Client.Do(c.Context(), c.Nodes[i%len(c.Nodes)], ask)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				c.Error(err)
				return
			}
			counts[a.Status]++
			all = append(all, a)
		})
	}
	asking.Wait()
	return counts, all
}

func sum(counts map[int]int) (n int) {
	for _, of := range counts {
		n += of
	}
	return n
}

// exactlyOne fails the test unless exactly one request succeeded and the others were
// refused. A busy machine may answer some with 503, which uses nothing up.
func exactlyOne(c *clustertest.Cluster, what string, counts map[int]int, success, refusal int) {
	c.Helper()
	delete(counts, http.StatusServiceUnavailable)
	if counts[success] != 1 || len(counts) != 2 || counts[refusal] == 0 {
		c.Errorf("%s: %v, not one %d and else %d", what, counts, success, refusal)
	}
}

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// approved begins the device flow at one node, approves it at another, and returns the
// device code.
func approved(c *clustertest.Cluster) (deviceCode string) {
	c.Helper()
	session := issued(c, func() *clustertest.Token { return c.Session(c.Nodes[1], "user0") })
	a, err := c.Client.Do(c.Context(), c.Nodes[0], clustertest.Ask{
		Path: "/oauth2/device_authorization", Form: url.Values{"client_id": {"tv"}, "scope": {"offline_access"}},
	})
	must(c, err)
	if a.Status != http.StatusOK || session == nil {
		c.Fatalf("no device code: %d %s", a.Status, a.Reason())
	}
	b, err := c.Client.Do(c.Context(), c.Nodes[1], clustertest.Ask{
		Path: "/auth/device", Cookie: &http.Cookie{Name: "sessionid", Value: session.Value},
		Form: url.Values{"user_code": {a.Member("user_code")}, "decision": {"approve"}},
	})
	must(c, err)
	if b.Status >= 400 {
		c.Fatalf("not approved: %d", b.Status)
	}
	return a.Member("device_code")
}

func TestWhatMayHappenOnceHappensOnceOnAllNodes(t *testing.T) {
	t.Parallel()
	c := cluster(t, 3)

	// A device code is exchanged for one pair of tokens.
	counts, answers := atOnce(c, 9, clustertest.Ask{Path: "/oauth2/token", Form: url.Values{
		"grant_type": {deviceGrant}, "device_code": {approved(c)}, "client_id": {"tv"},
	}})
	exactlyOne(c, "device code", counts, http.StatusOK, http.StatusBadRequest)
	refresh := ""
	for _, a := range answers {
		if a.Status == http.StatusOK {
			refresh = a.Member("refresh_token")
		}
	}
	if refresh == "" {
		t.Fatal("no refresh token")
	}

	// A refresh token is used once; the second use revokes the family.
	counts, answers = atOnce(c, 9, clustertest.Ask{Path: "/oauth2/token", Form: url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"tv"},
	}})
	exactlyOne(c, "refresh", counts, http.StatusOK, http.StatusBadRequest)
	for _, a := range answers {
		if a.Status != http.StatusOK {
			continue
		}
		for _, n := range c.Nodes {
			v, err := c.Client.Do(t.Context(), n, clustertest.Ask{Path: "/auth/verify", Bearer: a.Member("access_token")})
			must(c, err)
			if v.Status != http.StatusUnauthorized || v.Reason() != "revoked" {
				t.Errorf("the family of a refresh token that was used twice, at node %d: %d %s", n.Number, v.Status, v.Reason())
			}
		}
	}

	// An API token is regenerated once.
	session := issued(c, func() *clustertest.Token { return c.Session(c.Nodes[0], "user1") })
	token := issued(c, func() *clustertest.Token { return c.APIToken(c.Nodes[0], session, 0) })
	counts, _ = atOnce(c, 9, clustertest.Ask{
		Method: http.MethodPost, Path: "/auth/api/v1/tokens/" + token.ID + "/regenerate",
		Cookie: &http.Cookie{Name: "sessionid", Value: session.Value},
	})
	exactlyOne(c, "regenerate", counts, http.StatusCreated, http.StatusConflict)

	// Ten wrong passwords lock an account, whichever nodes heard them.
	// Requests that a busy machine answers with 503 are sent again.
	wrong := 0
	for round, left := 0, 30; left > 0 && round < 10; round++ {
		counts, _ = atOnce(c, left, clustertest.Ask{Path: "/auth/login", Form: url.Values{"username": {"user2"}, "password": {"wrong"}}})
		wrong += counts[http.StatusUnauthorized]
		left = counts[http.StatusServiceUnavailable]
		if counts[http.StatusUnauthorized]+counts[http.StatusTooManyRequests]+left != sum(counts) {
			t.Errorf("wrong passwords: %v", counts)
		}
	}
	if wrong > 10 || wrong == 0 {
		t.Errorf("%d of thirty wrong passwords were 401, not ten", wrong)
	}
	counts, _ = atOnce(c, 3, clustertest.Ask{
		Path: "/auth/login", Form: url.Values{"username": {"user2"}, "password": {"correct horse battery staple"}},
	})
	delete(counts, http.StatusServiceUnavailable)
	if len(counts) != 1 || counts[http.StatusTooManyRequests] == 0 {
		t.Errorf("the right password after that: %v", counts)
	}
}

// A change may have happened when the answer to its commit is lost. It must not be carried
// out again: the second time would meet what the first has done, and the client would hear
// 409 of a change that is in force.
func TestAChangeWhoseAnswerIsLostIsNotCarriedOutAgain(t *testing.T) {
	t.Parallel()
	c := cluster(t, 2)
	here, far := c.Nodes[0], c.Nodes[1]
	acknowledged(c, func() clustertest.Op { return c.Unbind(here, "user1", 5) })
	repaired := c.History.Break("an answer is lost", here.Number)
	must(c, here.Link.Set(clustertest.Weather{HoldReply: func(asked []byte) bool { return bytes.Contains(asked, []byte("bearerd_append_staged")) }}))
	asked := make(chan clustertest.Op, 1)
	go func() { asked <- c.Bind(here, "user1", 5) }()
	eventually(c, 10*time.Second, "the answer to the commit is held", func() bool { return here.Link.Held() > 0 })
	must(c, here.Link.Set(clustertest.Weather{Cut: true}))
	must(c, here.Link.Restore())
	if o := <-asked; o.Outcome != clustertest.Unavailable {
		t.Errorf("the change was committed, and its answer lost: %s, %q", o.Outcome, o.Reason)
	}
	repaired()
	token := issued(c, func() *clustertest.Token { return c.PasswordToken(far, "user1", 5) })
	accepted(c, far, token)
	keepsItsPromise(c)
}

// TestARotatedKeyIsKnownEverywhereAtOnce rotates and retires keys at one node and
// verifies at the others.
func TestARotatedKeyIsKnownEverywhereAtOnce(t *testing.T) {
	t.Parallel()
	c := cluster(t, 3)
	for i := range 6 {
		at, elsewhere := c.Nodes[i%3], c.Nodes[(i+1)%3]
		before := issued(c, func() *clustertest.Token { return c.ClientToken(elsewhere) })
		acknowledged(c, func() clustertest.Op { return c.Rotate(at) })
		after := issued(c, func() *clustertest.Token { return c.ClientToken(at) })
		if after == nil || before == nil || after.KID == before.KID {
			t.Fatal("the key did not change")
		}
		for _, n := range c.Nodes {
			accepted(c, n, before)
			accepted(c, n, after)
		}
		acknowledged(c, func() clustertest.Op { return c.Retire(elsewhere, after.KID) })
		for _, n := range c.Nodes {
			c.Verify(n, after)
			accepted(c, n, before)
		}
		next := issued(c, func() *clustertest.Token { return c.ClientToken(at) })
		for _, n := range c.Nodes {
			accepted(c, n, next)
		}
		time.Sleep(10 * time.Millisecond)
	}
	keepsItsPromise(c)
}
