package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"

	"github.com/bearerd/bearerd/internal/clientdoc"
)

// insecureClientMetadata is the flag of tests that reads the documents of clients at another
// address than their host's, which need not be a public one. Nothing else lifts that rule.
const insecureClientMetadata = "insecure-client-metadata"

// insecureDocuments reads the values of the flag, each HOST=ADDR:PORT,CA_FILE: documents of
// that host are read at the address, and its certificate, like every other host's, must then
// be of one of the files.
func insecureDocuments(values []string) (clientdoc.Config, error) {
	if len(values) == 0 {
		return clientdoc.Config{}, nil
	}
	c := clientdoc.Config{
		Instead: map[string]netip.AddrPort{}, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()},
	}
	for _, value := range values {
		host, rest, _ := strings.Cut(value, "=")
		at, file, _ := strings.Cut(rest, ",")
		address, err := netip.ParseAddrPort(at)
		if err != nil || host == "" || file == "" {
			return c, fmt.Errorf("--%s is HOST=ADDR:PORT,CA_FILE, not %q", insecureClientMetadata, value)
		}
		pem, err := os.ReadFile(file) //nolint:gosec // the operator names the file
		if err != nil {
			return c, fmt.Errorf("--%s: %w", insecureClientMetadata, err)
		}
		if !c.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return c, fmt.Errorf("--%s: %s has no certificate", insecureClientMetadata, file)
		}
		c.Instead[host] = address
	}
	return c, nil
}

// warnOfInsecure logs which documents are not read where every other server reads them.
func warnOfInsecure(ctx context.Context, c clientdoc.Config, logger *slog.Logger) {
	for host, at := range c.Instead {
		logger.LogAttrs(ctx, slog.LevelWarn, "INSECURE, for tests alone: --"+insecureClientMetadata+" reads what clients of this host say of themselves "+
			"at an address that need not be public, with certificates of its own. Anyone who signs in can make this server ask that address. Never use it in production",
			slog.String("host", host), slog.String("address", at.String()))
	}
}
