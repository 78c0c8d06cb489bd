package issuance_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestLongestIsTheLongestCeilingOfAnyJWT(t *testing.T) {
	t.Parallel()
	const month = 30 * 24 * time.Hour
	for name, c := range map[string]struct {
		change func(*issuance.Policy)
		want   time.Duration
	}{
		"the defaults":           {func(*issuance.Policy) {}, month},
		"short ceilings":         {func(p *issuance.Policy) { p.ExchangeKeyMax = time.Hour }, month},
		"access tokens":          {func(p *issuance.Policy) { p.AccessMax = 2 * month }, 2 * month},
		"API keys":               {func(p *issuance.Policy) { p.ExchangeKeyMax = 3 * month }, 3 * month},
		"a task token type":      {func(p *issuance.Policy) { p.TaskMax = map[string]time.Duration{"TES": 4 * month} }, 4 * month},
		"API tokens are no JWTs": {func(p *issuance.Policy) { p.APITokenMax = 5 * month }, month},
	} {
		p := nodetest.DefaultSettings().Policy
		c.change(&p)
		if got := p.Longest(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
