package clustertest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Heartbeat is a heartbeat of a revocation stream, on the clock of the history.
type Heartbeat struct {
	Read time.Duration // when it was read
	// AsOf is the start of the node's question that a verifier's lease counts from, as far as
	// a verifier knows it: it wasn't earlier.
	AsOf time.Duration
}

// FollowLog follows the revocation stream of a node as a verifier does, and calls beat
// with each heartbeat. It returns when ctx or the stream ends.
func (c *Cluster) FollowLog(ctx context.Context, n *Node, beat func(Heartbeat)) error {
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
	asked := c.History.Now()
	resp, err := c.Client.HTTP.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("following the log of node %d: status %d", n.Number, resp.StatusCode)
	}
	lines := bufio.NewScanner(resp.Body)
	for event := ""; lines.Scan(); {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "event":
			event = value
		case "data":
			if event != "heartbeat" {
				continue
			}
			var data struct {
				AsOf int64 `json:"as_of"` // microseconds since the request arrived
			}
			if err := json.Unmarshal([]byte(value), &data); err != nil {
				return fmt.Errorf("a heartbeat of node %d: %w", n.Number, err)
			}
			beat(Heartbeat{c.History.Now(), asked + time.Duration(data.AsOf)*time.Microsecond})
		}
	}
	return lines.Err()
}
