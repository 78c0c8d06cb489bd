package keyring

import (
	"cmp"
	"errors"
	"slices"

	"github.com/bearerd/bearerd/internal/token"
)

// view is one reading of the ring. It is never changed.
type view struct {
	keys    []Key
	private map[string]token.SigningKey // by kid, those not gone
	find    map[string]token.VerificationKey
	signing token.SigningKey
	public  []token.VerificationKey
	jwks    []byte
	doubts  uint64 // of the ring, before the keys were read
}

func sharedView(secret []byte) *view {
	k := shared(secret)
	v := k.Verification()
	return &view{
		signing: k,
		find:    map[string]token.VerificationKey{k.KID: v, "": v},
		jwks:    []byte(`{"keys":[]}`),
	}
}

func rank(s State) int { return slices.Index([]State{Active, Next, Retired, Gone}, s) }

// newView opens the keys. Those that the previous view had opened aren't opened again.
func newView(keys []Key, c Config, before *view) (*view, error) {
	v := &view{
		keys:    slices.Clone(keys),
		private: make(map[string]token.SigningKey, len(keys)),
		find:    make(map[string]token.VerificationKey, len(keys)),
	}
	slices.SortFunc(v.keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.KID, b.KID))
	})
	for _, k := range v.keys {
		if k.State == Gone {
			continue
		}
		if err := v.add(k, c, before); err != nil {
			return nil, err
		}
	}
	if v.signing.Key == nil {
		return nil, errors.New("the ring has no active signing key")
	}
	jwks, err := encodeJWKS(v.public)
	v.jwks = jwks
	return v, err
}

func (v *view) add(k Key, c Config, before *view) error {
	private, ok := before.opened(k.KID)
	if !ok {
		var err error
		if private, err = c.Master.unseal(k); err != nil {
			return err
		}
	}
	public := private.Verification()
	public.Revoked = k.Revoked()
	v.private[k.KID], v.find[k.KID] = private, public
	if k.State == Active {
		v.signing = private
	}
	if !public.Revoked && c.shows(k.Algorithm) {
		v.public = append(v.public, public)
	}
	return nil
}

func (v *view) opened(kid string) (token.SigningKey, bool) {
	if v == nil {
		return token.SigningKey{}, false
	}
	k, ok := v.private[kid]
	return k, ok
}
