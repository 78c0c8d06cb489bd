package wiring

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/config"
)

// Which clients that nobody registered are taken, the configuration decides in one place:
// for the page that asks people, and for the endpoint where codes and refresh tokens are
// used. A host that is trusted no longer ends there, too.
func TestClientsByURLAreThoseThatMayAsk(t *testing.T) {
	t.Parallel()
	const id, other = "https://assistant.example.com/client.json", "https://other.example/client.json"
	for setting, want := range map[string][2]bool{
		config.ClientMetadataAsk: {true, true}, config.ClientMetadataTrusted: {true, false}, config.ClientMetadataOff: {false, false},
	} {
		c := config.Default()
		c.Authorization.ClientMetadata, c.Authorization.TrustedHosts = setting, []string{"assistant.example.com"}
		documents, err := clientDocuments(c, clientdoc.Config{}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		taken := clientURL(documents)
		for i, one := range []string{id, other} {
			if got := taken != nil && taken(one); got != want[i] {
				t.Errorf("%s: %s is taken: %v", setting, one, got)
			}
		}
		if taken != nil && (taken("app") || taken("https://assistant.example.com/") || taken("http://assistant.example.com/client.json")) {
			t.Errorf("%s: what is no client's URL is taken", setting)
		}
	}
}
