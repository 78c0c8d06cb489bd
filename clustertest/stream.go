package clustertest

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// FollowLog follows the revocation stream of a node as a verifier does, and calls beat
// with the instant at which it has read each heartbeat. It returns when ctx or the stream
// ends.
func (c *Cluster) FollowLog(ctx context.Context, n *Node, beat func(at time.Duration)) error {
	a, err := c.Client.Do(ctx, n, Ask{
		Path:  "/oauth2/token",
		Form:  url.Values{"grant_type": {"client_credentials"}, "scope": {"revocations"}},
		Basic: [2]string{followerID, clientSecret},
	})
	if err != nil {
		return err
	}
	r, err := Ask{Path: "/auth/revocations?after=0", Bearer: a.Member("access_token")}.request(ctx, n.Base())
	if err != nil {
		return err
	}
	resp, err := c.Client.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("following the log of node %d: status %d", n.Number, resp.StatusCode)
	}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if lines.Text() == "event: heartbeat" {
			beat(c.History.Now())
		}
	}
	return lines.Err()
}
