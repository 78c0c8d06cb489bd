package token_test

import "fmt"

// networks are tokens that are limited to networks, and addresses that they are used from.
func (r *recipes) networks() []vector {
	const (
		elsewhere = "the token is not for this network"
		unknown   = "the token is limited to networks, and the client's address is not known"
		both      = `["10.0.0.0/8","192.0.2.7/32","2001:db8::/32","fe80::/10"]`
	)
	var out []vector
	from := func(detail, name, why, networks, address string) {
		v := accepted(name, why, r.with())
		if networks != "" {
			v.Token = r.with("networks", networks)
		}
		if detail != "" {
			v = refused("network", detail, name, why, v.Token)
		}
		v.Address = address
		out = append(out, v)
	}
	from("", "within IPv4", "", both, "10.1.2.3")
	from("", "first address", "", both, "10.0.0.0")
	from("", "last address", "", both, "10.255.255.255")
	from("", "a single address", "", both, "192.0.2.7")
	from("", "mapped into IPv6", "an IPv4-mapped IPv6 address is IPv4", both, "::ffff:10.1.2.3")
	from("", "mapped, in hexadecimal", "", both, "::ffff:a01:203")
	from("", "within IPv6", "", both, "2001:db8:ffff::1")
	from("", "IPv6 in a long spelling", "", both, "2001:0DB8:0000:0000:0000:0000:0000:0001")
	from("", "out of order", "order and overlap make no difference", `["192.0.2.0/24","10.0.0.0/8","10.1.0.0/16"]`, "10.2.0.1")
	from("", "32 networks", "as many as there may be", list(32, `"10.0.0.0/8"`), "10.0.0.1")
	from(elsewhere, "before the first address", "", both, "9.255.255.255")
	from(elsewhere, "after the last address", "", both, "11.0.0.0")
	from(elsewhere, "beside a single address", "", both, "192.0.2.8")
	from(elsewhere, "mapped, from elsewhere", "", both, "::ffff:11.0.0.0")
	from(elsewhere, "compatible, not mapped", "::a.b.c.d is IPv6", both, "::10.1.2.3")
	from(elsewhere, "IPv6 from elsewhere", "", both, "2001:db9::1")
	from(elsewhere, "IPv6 with the bits of IPv4", "", `["10.0.0.0/8"]`, "a00::1")
	from(elsewhere, "IPv4 with the bits of IPv6", "", `["a00::/8"]`, "10.0.0.1")
	from(unknown, "no address", "a verifier that has none refuses", both, "")
	from(unknown, "what is no address", "", both, "unknown")
	from("", "no networks, no address", "not limited", "", "")
	from("", "no networks, an address", "not limited", "", "10.1.2.3")
	return out
}

// badNetworks are claims that no verifier may take for a limit, or for none.
func (r *recipes) badNetworks(add func(detail, name, why string, pairs ...string)) {
	const bad = "networks isn't a short list of networks in canonical form"
	for _, c := range [][3]string{
		{"not JSON", "null", "null"},
		{"not JSON", "a string", `"10.0.0.0/8"`},
		{"not JSON", "an object", `{"10.0.0.0/8":true}`},
		{"not a string where one is needed", "with a number", "[10]"},
		{bad, "an empty list", "[]"},
		{bad, "of 33", list(33, `"10.0.0.0/8"`)},
		{bad, "with garbage", `["10.0.0.0/8","x"]`},
		{bad, "with an empty one", `[""]`},
		{bad, "with an address", `["10.0.0.1"]`},
		{bad, "with host bits", `["10.0.0.1/8"]`},
		{bad, "with a mask", `["10.0.0.0/255.0.0.0"]`},
		{bad, "with a leading zero", `["10.0.0.0/08"]`},
		{bad, "with an octal", `["010.0.0.0/8"]`},
		{bad, "with too long a prefix", `["10.0.0.0/33"]`},
		{bad, "of all IPv4 addresses", `["0.0.0.0/0"]`},
		{bad, "of all IPv6 addresses", `["10.0.0.0/8","::/0"]`},
		{bad, "mapped into IPv6", `["::ffff:10.0.0.0/104"]`},
		{bad, "with a zone", `["fe80::%1/64"]`},
		{bad, "in upper case", `["2001:DB8::/32"]`},
		{bad, "in a long spelling", `["2001:db8:0:0::/32"]`},
		{bad, "with space", `[" 10.0.0.0/8"]`},
	} {
		add(c[0], fmt.Sprintf("networks %s", c[1]), "", "networks", c[2])
	}
}
