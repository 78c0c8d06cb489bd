package passhash_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/passhash"
)

// vector is a hash that another implementation made of a password.
type vector struct {
	name     string
	password string
	encoded  string
}

const (
	letmein = "lètmein"
	digits  = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
	greek   = "Ιωαννης"
)

func vectors() []vector {
	return []vector{
		{"argon2id, reference, p=1", "password", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"},
		{"argon2id, Django, p=8", "secret", "argon2$argon2id$v=19$m=102400,t=2,p=8$Y041dExhNkljRUUy$TMa6A8fPJhCAUXRhJXCXdw"},
		{"bcrypt 2a, libxcrypt", letmein, "$2a$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS"},
		{"bcrypt 2b, libxcrypt", letmein, "$2b$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS"},
		{"bcrypt 2y, libxcrypt", letmein, "$2y$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS"},
		{"bcrypt, 100 bytes, libxcrypt", digits, "$2b$05$R9h/cIPz0gi.URNNX3kh2ODVXf0vCex2j3Fg2GNsp1Vtu1j857sgq"},
		{"bcrypt, 71 bytes, libxcrypt", digits[:71], "$2b$05$R9h/cIPz0gi.URNNX3kh2OzEXWdbkMyDLLCL8bH0944lio11Y1dwi"},
		{"bcrypt, Django", letmein, "bcrypt$$2b$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS"},
		{"bcrypt, Plone", letmein, "{BCRYPT}$2b$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS"},
		{"bcrypt_sha256, 100 bytes", digits, "bcrypt_sha256$$2b$05$R9h/cIPz0gi.URNNX3kh2OycCNAFg0wXn3yF5BhJPpujLG5F8H0WO"},
		{"bcrypt_sha256, NUL", "a\x00b", "bcrypt_sha256$$2b$05$R9h/cIPz0gi.URNNX3kh2OQshy4GyaucFhxdjONDbbBFpI7Xa2Q4W"},
		{"scrypt, passlib", "password", "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E"},
		{"scrypt, OpenSSL", letmein, "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$nkIet0OzGMHuENHap6UFxONPfEj6uZM2wVm4aOG0d54"},
		{"scrypt, Django", letmein, "scrypt$16384$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw=="},
		{"pbkdf2_sha256, Django", letmein, "pbkdf2_sha256$390000$seasalt$8xBlGd3jVgvJ+92hWPxi5ww0uuAuAnKgC45eudxro7c="},
		{"pbkdf2_sha1, Django", letmein, "pbkdf2_sha1$390000$seasalt2$aDapRanzW8aHTz97v2TcfHzWD+I="},
		{"pbkdf2_sha256, OpenSSL", letmein, "pbkdf2_sha256$1000$seasalt$JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A="},
		{"pbkdf2-sha256, passlib", "password", "$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"},
		{"pbkdf2-sha256, passlib, Greek", greek, "$pbkdf2-sha256$1212$3SABFJGDtyhrQMVt1uABPw$WyaUoqCLgvz97s523nF4iuOqZNbp5Nt8do/cuaa7AiI"},
		{"pbkdf2-sha512, passlib", "password", "$pbkdf2-sha512$1212$RHY0Fr3IDMSVO/RSZyb5ow$eNLfBK.eVozomMr.1gYa17k9B7KIK25NOEshvhrSX.esqY3s.FvWZViXz4KoLlQI.BzY/YTNJOiKc5gBYFYGww"},
		{"pbkdf2-sha512, passlib, Greek", greek, "$pbkdf2-sha512$1212$KkbvoKGsAIcF8IslDR6skQ$8be/PRmd88Ps8fmPowCJttH9G3vgxpG.Krjt3KT.NP6cKJ0V4Prarqf.HBwz0dCkJ6xgWnSj2ynXSV7MlvMa8Q"},
		{"SSHA, salt of 7, UTF-8", letmein, "{SSHA}gCe35vmbeu5SV0M/FlK9n7jpnVnw8fLz9PX2"},
		{"SSHA, salt of 7, Latin-1", letmein, "{SSHA}u+IDa/MHqqsNKmE2TyqPMuerHjnw8fLz9PX2"},
		{"SSHA, salt of 8, padded", letmein, "{SSHA}IwnONcWaVEbs3qeoFQ51/oN2E2gxMjM0NTY3OA=="},
		{"SSHA, URL-safe alphabet", letmein, "{SSHA}RyHrEHTL-Hx_z7ngoM1C6WH72pdzYWx0MDAz"},
		// Written by Werkzeug 2.2.2, passlib 1.7.4 and, for scrypt as Werkzeug 3 calls it, Python 3.11.
		{"pbkdf2:sha256, Werkzeug", letmein, "pbkdf2:sha256:1000$EwCgWCytklBclj5h$98866964c77974ccee85afc62165b9f2b01c64595735ffea55437704f639ab1f"},
		{"pbkdf2:sha256, Werkzeug, 100 bytes", digits, "pbkdf2:sha256:1000$hDb2NDZFnqnlerpK$de0fafb74b84ace7675b9343801e121b2ea6cfcb9d7055ceb272eae22782fa73"},
		{"pbkdf2:sha256, Werkzeug's default", letmein, "pbkdf2:sha256:260000$tsEzQNjnhQa6mOgh$1979a89c2e9509324ffc7d30b5f1e17c16eaf4d7b14e86b6590c0098b6856da7"},
		{"pbkdf2:sha512, Werkzeug", letmein, "pbkdf2:sha512:1000$ymssbLBRp2tJfxWt$f09d97c96102d5009d91d15b180a444dd3d5127af1a136803d72435023ed022623adabb0efe327a20849810e6b3cdb96526e22fb484dfbd1323045250ba4e6e8"},
		{"pbkdf2:sha1, Werkzeug", letmein, "pbkdf2:sha1:1000$KYhrpMLgPXPIDhEQ$6aac68638f0a9441b9dcd7523075a3653366a416"},
		{"scrypt, Werkzeug", letmein, "scrypt:32768:8:1$fDl0mLcSqgVKvqqG$a5a544df7114a1eda7d1054c08c1ecd4322c769b855947874e040d3aacb3dc5d2998902aa06a06deb1f6f07eb8f36124f66f617bd91d7658b62f4a7db93b5e36"},
		{"SSHA512, salt of 8", letmein, "{SSHA512}dNizAY+Y3Q4gkN1dgzej5tpvAI0NRkx7ndK2Id5ombEUzx21GJMI42acRP8+AiMZ0w3LmVH07cjRg6jeCtAAlCOk1Npba21N"},
		{"SSHA512, salt of 16", digits, "{SSHA512}Scg0EDZzAMYrsOsh0iuclZjbCN1yfSc4wp9/IDijw91nbPWTIqKEAOlUIvkxkV0xLnL9Z1bqua2ZnzQNFCjOFXjvXWsNAYBwrlUqBUBISUk="},
		{"CRYPT 6, 5,000 rounds", letmein, "{CRYPT}$6$Utq7VaX5ZTYGhfRz$AXF/tMz4Hi16v97WwcN0wmoMbJO8XKaIkC6PRPcumthlRJBllQmnJdQhD8gJDSH.VSsrbDFaRFy72hu/o5f8u/"},
		{"CRYPT 6, 1,234 rounds", letmein, "{CRYPT}$6$rounds=1234$5EVOruMXIiX0iXjj$80pDtyu0StT5f2Fc4cTZ6LTHRtkwa7DhrGOBwzhH3/TFPLydb9EjPImvhkIBWDmuQWdfGGyVAURKQPH98QDBw1"},
		{"CRYPT 6, 100 bytes", digits, "{CRYPT}$6$rounds=1234$edijt9P/MEsy0ece$JMKsKo0LXOo2Gml6At4hViR.2.wyFjaojGzWqOSCjEgBZdBzl2wk8fHPcQBL87pTddVisj6jOZTVVLpC9PBes/"},
		{"CRYPT 6, Drepper's own vector", "Hello world!", "{CRYPT}$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."},
		{"phpass P", letmein, "$P$6vJek7rRv8ABRbaG6gNKVqFCWxM4GU/"},
		{"phpass H", letmein, "$H$BNO5C4zOumS.I.kF7QTwIKLGBD0NW20"},
		{"phpass, 100 bytes", digits, "$H$BKlnppVsvb2RB0gfd/nfob972iLat.."},
	}
}

func TestVerifyAcceptsHashesOfOtherImplementations(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{Slots: 1, Queue: 100})
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			hash, err := passhash.Parse(v.encoded)
			if err != nil {
				t.Fatalf("ParseHash: %v", err)
			}
			got, err := h.Verify(t.Context(), hash, v.password)
			if err != nil || !got.OK {
				t.Fatalf("Verify = %+v, %v; want a match", got, err)
			}
			if !got.Stale {
				t.Error("the hash is not to be replaced; all of these are, the first for its short salt")
			}
		})
	}
}

func TestVerifyRefusesEveryOtherPassword(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{Slots: 1, Queue: 100})
	for _, v := range vectors() {
		if strings.Contains(v.encoded, "390000") || strings.Contains(v.encoded, "102400") {
			continue // dear, and the same code as a cheaper one
		}
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			for _, wrong := range []string{"X" + v.password[1:], v.password[1:] + "X"} {
				got, err := h.Verify(t.Context(), passhash.Hash(v.encoded), wrong)
				if err != nil || got.OK || got.Stale {
					t.Errorf("Verify(%q) = %+v, %v; want none", wrong, got, err)
				}
			}
		})
	}
}

func TestBcryptReadsSeventyTwoBytesAsTheOriginalDid(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{})
	long := passhash.Hash("$2b$05$R9h/cIPz0gi.URNNX3kh2ODVXf0vCex2j3Fg2GNsp1Vtu1j857sgq")
	prehashed := passhash.Hash("bcrypt_sha256$$2b$05$R9h/cIPz0gi.URNNX3kh2OycCNAFg0wXn3yF5BhJPpujLG5F8H0WO")
	for _, c := range []struct {
		name     string
		hash     passhash.Hash
		password string
		want     bool
	}{
		{"what stands after 72 bytes is not read", long, digits[:72], true},
		{"whatever it is", long, digits[:72] + "anything", true},
		{"but all of the 72 are", long, digits[:71], false},
		{"bcrypt_sha256 reads all", prehashed, digits[:72], false},
		{"a NUL does not end the password", "$2b$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS", letmein + "\x00x", false},
		{"nor does it repeat one", "$2b$05$R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS", letmein + "\x00" + letmein, false},
	} {
		got, err := h.Verify(t.Context(), c.hash, c.password)
		if err != nil || got.OK != c.want {
			t.Errorf("%s: Verify = %+v, %v", c.name, got, err)
		}
		if got.OK && !got.Stale {
			t.Errorf("%s: a bcrypt hash is to be replaced", c.name)
		}
	}
}

func TestParseHashRefuses(t *testing.T) {
	t.Parallel()
	const (
		salt = "c29tZXNhbHQ"
		key  = "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
		b53  = "R9h/cIPz0gi.URNNX3kh2OYa7N5S5K//5DfGwqqXED7gLgSqfxWKS"
		d32  = "JgZryXe2Ga8ysg6XbzkLpTdyPQrHqsinbL9BnnhgX4A="
		p32  = "hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ"
	)
	for name, encoded := range map[string]string{
		"a password":                 "test#password",
		"unsalted":                   "md5$$88a434c88cca4e900f7874cd98123f43",
		"Plone's unsalted":           "{SHA}gCe35vmbeu5SV0M/FlK9n7jpnVk=",
		"too long":                   "$argon2id$v=19$m=65536,t=2,p=1$" + strings.Repeat("A", 500) + "$" + key,
		"argon2i":                    "$argon2i$v=19$m=65536,t=2,p=1$" + salt + "$" + key,
		"argon2d":                    "$argon2d$v=19$m=65536,t=2,p=1$" + salt + "$" + key,
		"argon2id without version":   "$argon2id$m=65536,t=2,p=1$" + salt + "$" + key,
		"argon2id of version 16":     "$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + key,
		"argon2id, other order":      "$argon2id$v=19$t=2,m=65536,p=1$" + salt + "$" + key,
		"argon2id, key id":           "$argon2id$v=19$m=65536,t=2,p=1,keyid=a$" + salt + "$" + key,
		"argon2id, no passes":        "$argon2id$v=19$m=65536,t=0,p=1$" + salt + "$" + key,
		"argon2id, no lanes":         "$argon2id$v=19$m=65536,t=2,p=0$" + salt + "$" + key,
		"argon2id, 256 lanes":        "$argon2id$v=19$m=65536,t=2,p=256$" + salt + "$" + key,
		"argon2id, less than lanes":  "$argon2id$v=19$m=15,t=2,p=2$" + salt + "$" + key,
		"argon2id, negative":         "$argon2id$v=19$m=-65536,t=2,p=1$" + salt + "$" + key,
		"argon2id, leading zero":     "$argon2id$v=19$m=065536,t=2,p=1$" + salt + "$" + key,
		"argon2id, plus":             "$argon2id$v=19$m=+65536,t=2,p=1$" + salt + "$" + key,
		"argon2id, one GiB":          "$argon2id$v=19$m=1048576,t=1,p=1$" + salt + "$" + key,
		"argon2id, 4 TiB":            "$argon2id$v=19$m=4294967295,t=1,p=1$" + salt + "$" + key,
		"argon2id, overflow":         "$argon2id$v=19$m=4294967296,t=1,p=1$" + salt + "$" + key,
		"argon2id, larger overflow":  "$argon2id$v=19$m=99999999999999999999999,t=1,p=1$" + salt + "$" + key,
		"argon2id, minutes":          "$argon2id$v=19$m=65536,t=1000,p=1$" + salt + "$" + key,
		"argon2id, years":            "$argon2id$v=19$m=65536,t=4294967295,p=1$" + salt + "$" + key,
		"argon2id, short salt":       "$argon2id$v=19$m=65536,t=2,p=1$c29t$" + key,
		"argon2id, short key":        "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$CTFhFdXPJO0",
		"argon2id, no key":           "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$",
		"argon2id, padded":           "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + key + "=",
		"argon2id, not base64":       "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + strings.Repeat("!", 43),
		"argon2id, more fields":      "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + key + "$",
		"bcrypt, cost 3":             "$2b$03$" + b53,
		"bcrypt, cost 16":            "$2b$16$" + b53,
		"bcrypt, cost 31":            "$2b$31$" + b53,
		"bcrypt, cost 99":            "$2b$99$" + b53,
		"bcrypt, cost +5":            "$2b$+5$" + b53,
		"bcrypt 2x":                  "$2x$05$" + b53,
		"bcrypt, cut off":            "$2b$05$" + b53[:52],
		"bcrypt, too long":           "$2b$05$" + b53 + "A",
		"bcrypt, other alphabet":     "$2b$05$" + strings.Replace(b53, ".", "+", 1),
		"bcrypt, Django, nothing":    "bcrypt$",
		"bcrypt, Django, doubled":    "bcrypt$bcrypt$$2b$05$" + b53,
		"bcrypt_sha256, cost":        "bcrypt_sha256$$2b$20$" + b53,
		"scrypt, one GiB":            "$scrypt$ln=20,r=8,p=1$AAAA$" + key,
		"scrypt, absurd":             "$scrypt$ln=63,r=8,p=1$AAAA$" + key,
		"scrypt, r and p":            "$scrypt$ln=14,r=64,p=64$AAAA$" + key,
		"scrypt, absurd r":           "$scrypt$ln=1,r=1073741824,p=1$AAAA$" + key,
		"scrypt, no work":            "$scrypt$ln=0,r=8,p=1$AAAA$" + key,
		"scrypt, fields":             "$scrypt$ln=10,r=8$AAAA$" + key,
		"scrypt, Django, N":          "scrypt$1000$seasalt$8$5$" + d32,
		"scrypt, Django, one":        "scrypt$1$seasalt$8$5$" + d32,
		"scrypt, Django, no salt":    "scrypt$1024$$8$5$" + d32,
		"scrypt, Django, absurd":     "scrypt$1073741824$seasalt$8$5$" + d32,
		"PBKDF2, none":               "pbkdf2_sha256$0$seasalt$" + d32,
		"PBKDF2, a billion":          "pbkdf2_sha256$1000000000$seasalt$" + d32,
		"PBKDF2, overflow":           "pbkdf2_sha256$18446744073709551617$seasalt$" + d32,
		"PBKDF2, no salt":            "pbkdf2_sha256$1000$$" + d32,
		"PBKDF2, other length":       "pbkdf2_sha1$1000$seasalt$" + d32,
		"PBKDF2, MD5":                "pbkdf2_md5$1000$seasalt$" + d32,
		"PBKDF2, passlib, a billion": "$pbkdf2-sha256$1000000000$AAAA$" + p32,
		"PBKDF2, passlib, zero":      "$pbkdf2-sha256$01212$AAAA$" + p32,
		"PBKDF2, passlib, length":    "$pbkdf2-sha512$1212$AAAA$" + p32,
		"SSHA, no salt":              "{SSHA}gCe35vmbeu5SV0M/FlK9n7jpnVk=",
		"SSHA, not base64":           "{SSHA}!!!!",
		"SSHA, nothing":              "{SSHA}",
		"SSHA512, no salt":           "{SSHA512}" + strings.Repeat("A", 85) + "=",
		"SSHA512, SHA-1's length":    "{SSHA512}gCe35vmbeu5SV0M/FlK9n7jpnVnw8fLz9PX2",
		"Werkzeug scrypt, 2^30":      "scrypt:1073741824:8:1$salt$" + strings.Repeat("ab", 64),
		"Werkzeug scrypt, one GiB":   "scrypt:1048576:8:1$salt$" + strings.Repeat("ab", 64),
		"Werkzeug scrypt, r and p":   "scrypt:16384:64:64$salt$" + strings.Repeat("ab", 64),
		"Werkzeug scrypt, overflow":  "scrypt:18446744073709551616:8:1$salt$" + strings.Repeat("ab", 64),
		"Werkzeug scrypt, N":         "scrypt:1000:8:1$salt$" + strings.Repeat("ab", 64),
		"Werkzeug scrypt, fields":    "scrypt:1024:8$salt$" + strings.Repeat("ab", 64),
		"Werkzeug scrypt, no salt":   "scrypt:1024:8:1$$" + strings.Repeat("ab", 64),
		"Werkzeug scrypt, short key": "scrypt:1024:8:1$salt$" + strings.Repeat("ab", 32),
		"Werkzeug scrypt, not hex":   "scrypt:1024:8:1$salt$" + strings.Repeat("xy", 64),
		"Werkzeug PBKDF2, a billion": "pbkdf2:sha256:1000000000$salt$" + strings.Repeat("ab", 32),
		"Werkzeug PBKDF2, none":      "pbkdf2:sha256:0$salt$" + strings.Repeat("ab", 32),
		"Werkzeug PBKDF2, no count":  "pbkdf2:sha256$salt$" + strings.Repeat("ab", 32),
		"Werkzeug PBKDF2, length":    "pbkdf2:sha512:1000$salt$" + strings.Repeat("ab", 32),
		"Werkzeug PBKDF2, MD5":       "pbkdf2:md5:1000$salt$" + strings.Repeat("ab", 16),
		"CRYPT 6, a billion rounds":  "{CRYPT}$6$rounds=999999999$salt$" + strings.Repeat("a", 86),
		"CRYPT 6, too few rounds":    "{CRYPT}$6$rounds=10$salt$" + strings.Repeat("a", 86),
		"CRYPT 6, long salt":         "{CRYPT}$6$saltsaltsaltsalts$" + strings.Repeat("a", 86),
		"CRYPT 6, short key":         "{CRYPT}$6$salt$" + strings.Repeat("a", 85),
		"CRYPT 6, other alphabet":    "{CRYPT}$6$salt$" + strings.Repeat("+", 86),
		"CRYPT 5":                    "{CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
		"CRYPT, DES":                 "{CRYPT}abJnggxhB/yWI",
		"phpass, 2^30":               "$P$S" + strings.Repeat("a", 30),
		"phpass, 2^6":                "$P$4" + strings.Repeat("a", 30),
		"phpass, short":              "$P$B" + strings.Repeat("a", 29),
		"phpass, other alphabet":     "$P$B" + strings.Repeat("+", 30),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := passhash.Parse(encoded)
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("ParseHash = %v; want Invalid", err)
			}
			if len(encoded) > 20 && strings.Contains(err.Error(), encoded[len(encoded)-12:]) {
				t.Errorf("the error repeats the hash: %v", err)
			}
			got, err := passhash.New(passhash.Config{}).Verify(t.Context(), passhash.Hash(encoded), "password")
			if got.OK || fault.KindOf(err) != fault.Internal || err == nil {
				t.Errorf("Verify = %+v, %v; want an internal error", got, err)
			}
			if d := time.Since(start); d > time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// What other systems write where a user has no password is a hash that no password
// matches, and no mistake.
func TestParseHashReadsThatThereIsNoPassword(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{})
	for _, encoded := range []string{"", "*", "!", "!!", "!abcdefgh", "!Vd7ywbyVAfxmEmr5i2WPpMHi8PvpmKdGgWJTbKSB", "!$6$salt$x"} {
		hash, err := passhash.Parse(encoded)
		if err != nil || hash != "" {
			t.Errorf("ParseHash(%q) = %q, %v; want the empty hash", encoded, hash.Reveal(), err)
		}
		for _, password := range []string{encoded, "password", strings.TrimPrefix(encoded, "!")} {
			if got, err := h.Verify(t.Context(), hash, password); err != nil || got.OK {
				t.Errorf("%q lets %q in: %+v, %v", encoded, password, got, err)
			}
		}
	}
}

// A NUL ends what crypt(3) reads, so that more passwords than one would match.
func TestCryptRefusesAPasswordWithANUL(t *testing.T) {
	t.Parallel()
	h := passhash.New(passhash.Config{})
	hash := passhash.Hash("{CRYPT}$6$rounds=1234$5EVOruMXIiX0iXjj$80pDtyu0StT5f2Fc4cTZ6LTHRtkwa7DhrGOBwzhH3/TFPLydb9EjPImvhkIBWDmuQWdfGGyVAURKQPH98QDBw1")
	if got, err := h.Verify(t.Context(), hash, letmein+"\x00x"); err != nil || got.OK {
		t.Errorf("Verify = %+v, %v", got, err)
	}
}
