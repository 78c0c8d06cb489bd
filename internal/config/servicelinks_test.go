package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/config"
)

// What Kubernetes puts into every pod of a namespace with the services bearerd (with the
// named ports http and ops), bearerd-ops, bearerd-postgresql and bearerd-dns.
const serviceLinks = `BEARERD_SERVICE_HOST=10.0.0.11
BEARERD_SERVICE_PORT=8080
BEARERD_SERVICE_PORT_HTTP=8080
BEARERD_SERVICE_PORT_OPS_METRICS=9180
BEARERD_PORT=tcp://10.0.0.11:8080
BEARERD_PORT_8080_TCP=tcp://10.0.0.11:8080
BEARERD_PORT_8080_TCP_PROTO=tcp
BEARERD_PORT_8080_TCP_PORT=8080
BEARERD_PORT_8080_TCP_ADDR=10.0.0.11
BEARERD_OPS_SERVICE_HOST=fd00::b
BEARERD_OPS_SERVICE_PORT=9180
BEARERD_OPS_PORT=tcp://[fd00::b]:9180
BEARERD_OPS_PORT_9180_TCP=tcp://[fd00::b]:9180
BEARERD_OPS_PORT_9180_TCP_ADDR=fd00::b
BEARERD_POSTGRESQL_SERVICE_HOST=10.0.0.12
BEARERD_POSTGRESQL_PORT=tcp://10.0.0.12:5432
BEARERD_DNS_PORT_53_UDP=udp://10.0.0.13:53
BEARERD_DNS_PORT_53_UDP_PROTO=udp`

func TestServiceLinksOfKubernetesArePassedOver(t *testing.T) {
	t.Parallel()
	got, err := config.Load("", append(strings.Split(serviceLinks, "\n"), "BEARERD_AUDIENCE=museum"), nil)
	want := config.Default()
	want.Audience = "museum"
	if diff := cmp.Diff(want, got, same); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// A variable that looks nearly so is a mistake of the operator's, as any unknown one is.
func TestVariablesLikeServiceLinksAreRefused(t *testing.T) {
	t.Parallel()
	for _, variable := range []string{
		"BEARERD_PORT=8080", "BEARERD_PORT=tcp://", "BEARERD_SERVICE_HOST=auth.example.org", "BEARERD_SERVICE_PORT=http",
		"BEARERD_SERVICE_NAME=bearerd", "BEARERD_PORT_8080_TCP_PROTO=http", "BEARERD_PORT_8080_TCP_ADDR=here",
		"BEARERD_PORT_8080=tcp://10.0.0.11:8080", "BEARERD_LISTEN_PORT=", "BEARERD_SERVICE_PORT=70000",
	} {
		name, _, _ := strings.Cut(variable, "=")
		if _, err := config.Load("", []string{variable}, nil); err == nil || !strings.Contains(err.Error(), name+": unknown variable") {
			t.Errorf("%s: %v", variable, err)
		}
	}
}
