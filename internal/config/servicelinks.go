package config

import (
	"net/netip"
	"regexp"
	"strconv"
)

// Kubernetes puts the addresses of all services of a namespace into the environment of
// its pods ("service links"), after their names: a service called bearerd, or bearerd-ops,
// makes variables that begin as ours do. The shapes are those of docker's links.
var (
	linkHost = regexp.MustCompile(`^BEARERD_(?:[A-Z0-9_]+_)?SERVICE_HOST$`)
	linkPort = regexp.MustCompile(`^BEARERD_(?:[A-Z0-9_]+_)?SERVICE_PORT(?:_[A-Z0-9_]+)?$`)
	linkURL  = regexp.MustCompile(`^BEARERD_(?:[A-Z0-9_]+_)?PORT(?:_\d+_(?:TCP|UDP|SCTP))?$`)
	linkPart = regexp.MustCompile(`^BEARERD_(?:[A-Z0-9_]+_)?PORT_\d+_(?:TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$`)
	endpoint = regexp.MustCompile(`^(?:tcp|udp|sctp)://\S+:\d+$`)
	protocol = regexp.MustCompile(`^(?:tcp|udp|sctp)$`)
)

// isServiceLink reports whether a variable is one that Kubernetes made for a service, by
// the shape of its name and of its value.
func isServiceLink(name, value string) bool {
	switch part := linkPart.FindStringSubmatch(name); {
	case part != nil && part[1] == "PROTO":
		return protocol.MatchString(value)
	case part != nil && part[1] == "ADDR", linkHost.MatchString(name):
		return isAddress(value)
	case part != nil, linkPort.MatchString(name):
		return isPort(value)
	case linkURL.MatchString(name):
		return endpoint.MatchString(value)
	}
	return false
}

func isAddress(value string) bool {
	_, err := netip.ParseAddr(value)
	return err == nil
}

func isPort(value string) bool {
	_, err := strconv.ParseUint(value, 10, 16)
	return err == nil
}
