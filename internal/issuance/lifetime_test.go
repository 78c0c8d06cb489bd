package issuance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

func TestParseLifetimeTakesDecimalSecondsAlone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1": 1, "300": 300, "10": 10, "999999999999999999": 999_999_999_999_999_999, "100000000000000000": 100_000_000_000_000_000,
	} {
		if got, err := issuance.ParseLifetime(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "0", "00", "0300", "-1", "-0", "+300", " 300", "300 ", "3 00", "\t300", "300\n", "300\x00", "3e2", "3E2", "1.5",
		"300.", ".5", "0x12c", "1_000", "1,000", "true", "false", "null", "NaN", "Inf", "infinity", "'300'", `"300"`, "300s", "5m",
		"1000000000000000000", "9223372036854775807", "9223372036854775808", "18446744073709551616", strings.Repeat("9", 1000),
		"３００", "٣٠٠", "१", "²", "Ⅳ", "3\u200b00", "\xff",
	} {
		if got, err := issuance.ParseLifetime(text); !fault.Is(err, fault.Invalid) || got != 0 {
			t.Errorf("%q: %d, %v; want it refused", text, got, err)
		}
	}
}

// asked is a lifetime that was asked for and what came of it.
type asked struct {
	left     int64 // of the parent, in seconds
	lifetime int64
	cap      bool
	want     int64  // 0: refused
	maximum  int64  // that the refusal states; 0: none
	why      string // in the refusal
}

func (a asked) String() string {
	return fmt.Sprintf("%d asked for (cap %t) with %d left", a.lifetime, a.cap, a.left)
}

// check compares what came of asking.
func (a asked) check(t *testing.T, pair issuance.Pair, err error, kind fault.Kind) {
	t.Helper()
	if a.want > 0 {
		if err != nil || pair.Access.Lifetime != a.want {
			t.Errorf("%s: %+v, %v; want %d", a, pair.Access, err, a.want)
		}
		return
	}
	why := a.why
	if a.maximum > 0 {
		why += fmt.Sprintf("the maximum is %d seconds", a.maximum)
	}
	nodetest.WantFault(t, a.String(), err, kind, why)
}

const keyLife = 500_000 // seconds; above every ceiling here

// withKey returns a node on which ada has an API key, and a function that lets time
// pass until the key has that many seconds left. The clock stands still.
func withKey(t *testing.T, o nodetest.Options, bindings ...string) (f *nodetest.Fixture, key string, left func(int64)) {
	t.Helper()
	f = nodetest.New(t, o)
	f.Freeze()
	ada := f.Person(t, "ada")
	for _, path := range bindings {
		b := nodetest.May("create", access.Path("/task-tokens/"+path))
		_, err := f.CreateBinding(t.Context(), caller.Operator(), nodetest.WithUser("ada", b))
		nodetest.Must(t, err)
	}
	issued := f.ExchangeKey(t, ada, credentials.NewCredential{Lifetime: keyLife})
	now := int64(keyLife)
	return f, issued.Value.Reveal(), func(seconds int64) {
		t.Helper()
		if seconds > now {
			t.Fatalf("the key has %d seconds left, not %d", now, seconds)
		}
		f.Advance(time.Duration(now-seconds) * time.Second)
		now = seconds
	}
}

func TestAccessTokenLifetimeAtEveryBorder(t *testing.T) {
	t.Parallel()
	f, key, left := withKey(t, nodetest.Options{})
	for _, a := range []asked{ // the default is 1800, the ceiling 3600
		{left: 3601, lifetime: 0, want: 1800},
		{left: 3601, lifetime: 1, want: 1},
		{left: 3601, lifetime: 3599, want: 3599},
		{left: 3601, lifetime: 3600, want: 3600},
		{left: 3601, lifetime: 3601, maximum: 3600},
		{left: 3601, lifetime: 3601, cap: true, want: 3600},
		{left: 3601, lifetime: 999_999_999_999_999_999, maximum: 3600},
		{left: 3601, lifetime: 999_999_999_999_999_999, cap: true, want: 3600},
		{left: 3600, lifetime: 3600, want: 3600},
		{left: 3599, lifetime: 3600, maximum: 3599, why: "the token would expire after the provided API key does; "},
		{left: 3599, lifetime: 3599, want: 3599},
		{left: 3599, lifetime: 3598, want: 3598},
		{left: 3599, lifetime: 3601, maximum: 3600},
		{left: 3599, lifetime: 3601, cap: true, maximum: 3599},
		{left: 1801, lifetime: 0, want: 1800},
		{left: 1800, lifetime: 0, want: 1800},
		{left: 1799, lifetime: 0, want: 1799},
		{left: 2, lifetime: 0, want: 2},
		{left: 2, lifetime: 3, maximum: 2},
		{left: 1, lifetime: 0, want: 1},
		{left: 1, lifetime: 1, want: 1},
		{left: 1, lifetime: 2, maximum: 1},
	} {
		left(a.left)
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key, Lifetime: a.lifetime, Cap: a.cap})
		a.check(t, pair, err, fault.Invalid)
	}
	left(0)
	_, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key})
	nodetest.WantFault(t, "a key at its end", err, fault.InvalidToken, "expired")
}

func TestTaskTokenLifetimeOfAnyGrantAtEveryBorder(t *testing.T) {
	t.Parallel()
	f, key, left := withKey(t, nodetest.Options{Settings: nodetest.WithTaskTypes}, "TES", "FOO")
	const ceiling = 345_600
	for _, c := range []struct {
		typ string
		asked
	}{
		{"TES", asked{left: keyLife, lifetime: 0, want: ceiling}},
		{"TES", asked{left: keyLife, lifetime: ceiling - 1, want: ceiling - 1}},
		{"TES", asked{left: keyLife, lifetime: ceiling, want: ceiling}},
		{"TES", asked{left: keyLife, lifetime: ceiling + 1, maximum: ceiling}},
		{"TES", asked{left: keyLife, lifetime: ceiling + 1, cap: true, want: ceiling}},
		{"FOO", asked{left: keyLife, lifetime: 0, want: 3600}},
		{"FOO", asked{left: keyLife, lifetime: 3600, want: 3600}},
		{"FOO", asked{left: keyLife, lifetime: 3601, maximum: 3600}},
		{"FOO", asked{left: keyLife, lifetime: 3601, cap: true, want: 3600}},
		{"TES", asked{left: ceiling, lifetime: 0, want: ceiling}},
		{"TES", asked{left: ceiling - 1, lifetime: 0, want: ceiling - 1}},
		{"TES", asked{left: ceiling - 1, lifetime: ceiling, maximum: ceiling - 1}},
		{"TES", asked{left: ceiling - 1, lifetime: ceiling + 1, cap: true, maximum: ceiling - 1}},
		{"TES", asked{left: 100, lifetime: 99, want: 99}},
		{"TES", asked{left: 100, lifetime: 100, want: 100}},
		{"TES", asked{left: 100, lifetime: 101, maximum: 100, why: "the token would expire after the provided API key does; "}},
		{"TES", asked{left: 1, lifetime: 0, want: 1}},
	} {
		left(c.left)
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key, TaskType: c.typ, Lifetime: c.lifetime, Cap: c.cap})
		c.check(t, pair, err, fault.Invalid)
	}
}

func TestTaskTokenLifetimeOfAnExactGrantIsThatAlone(t *testing.T) {
	t.Parallel()
	f, key, left := withKey(t, nodetest.Options{Settings: nodetest.WithTaskTypes}, "TES/100", "TES/200", "FOO/3600", "FOO/3601")
	for _, c := range []struct {
		typ  string
		kind fault.Kind
		asked
	}{
		{"TES", 0, asked{left: keyLife, lifetime: 100, want: 100}},
		{"TES", 0, asked{left: keyLife, lifetime: 200, want: 200}},
		{"TES", fault.Forbidden, asked{left: keyLife, lifetime: 0, why: "must be asked for: 100, 200"}},
		{"TES", fault.Forbidden, asked{left: keyLife, lifetime: 99, why: "only these lifetimes are granted: 100, 200"}},
		{"TES", fault.Forbidden, asked{left: keyLife, lifetime: 101, why: "only these"}},
		{"TES", fault.Forbidden, asked{left: keyLife, lifetime: 101, cap: true, why: "only these"}},
		{"TES", fault.Forbidden, asked{left: keyLife, lifetime: 345_601, cap: true, why: "only these"}},
		{"TES", fault.Forbidden, asked{left: keyLife, lifetime: 345_601, why: "only these"}},
		{"FOO", 0, asked{left: keyLife, lifetime: 3600, want: 3600}},
		// Granted, and above the ceiling: refused, and never made shorter instead.
		{"FOO", fault.Invalid, asked{left: keyLife, lifetime: 3601, maximum: 3600}},
		{"FOO", fault.Forbidden, asked{left: keyLife, lifetime: 3601, cap: true, why: "above the ceiling"}},
		{"TES", 0, asked{left: 100, lifetime: 100, want: 100}},
		{"TES", fault.Invalid, asked{left: 100, lifetime: 200, maximum: 100}},
		{"TES", fault.Invalid, asked{left: 99, lifetime: 100, maximum: 99}},
	} {
		left(c.left)
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key, TaskType: c.typ, Lifetime: c.lifetime, Cap: c.cap})
		c.check(t, pair, err, c.kind)
	}
}

func TestTaskTokenTypeMustBeListedAndGranted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bindings []string
		typ      string
		kind     fault.Kind // 0: issued
	}{
		"the type itself":              {[]string{"TES"}, "TES", 0},
		"exact and any: any wins":      {[]string{"TES/100", "TES"}, "TES", 0},
		"no grant":                     {nil, "TES", fault.Forbidden},
		"another type's":               {[]string{"FOO"}, "TES", fault.Forbidden},
		"a longer name's":              {[]string{"TESSERA"}, "TES", fault.Forbidden},
		"of no lifetime":               {[]string{"TES/0"}, "TES", fault.Forbidden},
		"of a lifetime spelled oddly":  {[]string{"TES/0100"}, "TES", fault.Forbidden},
		"beneath a lifetime":           {[]string{"TES/100/x"}, "TES", fault.Forbidden},
		"not listed, granted":          {[]string{"BAR"}, "BAR", fault.InvalidTarget},
		"not listed, granted as exact": {[]string{"TES/100"}, "TES/100", fault.InvalidTarget},
		"another spelling":             {[]string{"TES"}, "tes", fault.InvalidTarget},
	} {
		f, key, _ := withKey(t, nodetest.Options{Settings: nodetest.WithTaskTypes}, c.bindings...)
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key, TaskType: c.typ, Lifetime: 60})
		if c.kind == 0 && (err != nil || pair.Access.Audience != "TES" || pair.Access.Kind != token.KindTask) ||
			c.kind != 0 && !fault.Is(err, c.kind) {
			t.Errorf("%s: %+v, %v", name, pair.Access, err)
		}
	}
}

func TestExchangeKeyLifetimeHasACeilingAndNoParent(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada := f.Person(t, "ada") // by a session that ends in 12 h
	const ceiling = 30 * 24 * 3600
	for _, a := range []asked{
		{lifetime: 0, want: ceiling},
		{lifetime: 1, want: 1},
		{lifetime: ceiling - 1, want: ceiling - 1},
		{lifetime: ceiling, want: ceiling},
		{lifetime: ceiling + 1, maximum: ceiling},
		{lifetime: ceiling + 1, cap: true, want: ceiling},
		{lifetime: 999_999_999_999_999_999, maximum: ceiling},
	} {
		issued, err := f.CreateExchangeKey(t.Context(), ada, credentials.NewCredential{Lifetime: a.lifetime, Cap: a.cap})
		a.check(t, issuance.Pair{Access: issued}, err, fault.Invalid)
	}
}

func TestAPITokenLifetimeWithAndWithoutACeiling(t *testing.T) {
	t.Parallel()
	const century = int64(9_223_372_036) // the most that a duration holds
	for ceiling, cases := range map[int64][]asked{
		0: {
			{lifetime: 1, want: 1},
			{lifetime: century, want: century},
			{lifetime: century + 1, maximum: century},
			{lifetime: 999_999_999_999_999_999, maximum: century},
		},
		1000: {
			{lifetime: 0, want: 1000},
			{lifetime: 999, want: 999},
			{lifetime: 1000, want: 1000},
			{lifetime: 1001, maximum: 1000},
			{lifetime: 1001, cap: true, want: 1000},
		},
	} {
		f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Policy.APITokenMax = time.Duration(ceiling) * time.Second }})
		f.Freeze()
		ada := f.Person(t, "ada")
		for _, a := range cases {
			issued, err := f.CreateAPIToken(t.Context(), ada, credentials.NewCredential{Name: "x", Lifetime: a.lifetime, Cap: a.cap})
			a.check(t, issuance.Pair{Access: issued}, err, fault.Invalid)
		}
		if ceiling > 0 {
			continue
		}
		forever := f.APIToken(t, ada, credentials.NewCredential{})
		if forever.Lifetime != 0 || !forever.Expiry.IsZero() {
			t.Errorf("none asked for, no ceiling: %d, %v", forever.Lifetime, forever.Expiry)
		}
		f.Advance(200 * 365 * 24 * time.Hour)
		f.WantAlive(t, "an API token after two centuries", forever)
	}
}

// A token that has an end never becomes one that has none, however little is
// left: a remainder of no full second is none.
func TestNothingIsMadeFromATokenInItsLastFraction(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada := f.Person(t, "ada")
	old := f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read"}})
	f.Advance(time.Second - time.Duration(f.Time().Nanosecond()) + 900*time.Millisecond)
	_, err := f.Regenerate(t.Context(), ada, old.ID, 1) // until 900 ms after a full second
	nodetest.Must(t, err)
	f.Advance(time.Second - time.Millisecond)
	f.WantAlive(t, "the old token in its last millisecond", old)
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: old.Value.Reveal()})
	nodetest.WantFault(t, fmt.Sprintf("%+v", pair.Access), err, fault.InvalidToken, "expired")
	pair, err = f.Exchange(t.Context(), issuance.Exchange{Subject: old.Value.Reveal(), Lifetime: 1})
	nodetest.WantFault(t, fmt.Sprintf("%+v", pair.Access), err, fault.InvalidToken, "expired")
}

func TestAccessTokenDoesNotOutliveASession(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada := f.Person(t, "ada")
	f.Advance(12*time.Hour - 100*time.Second)
	issued := f.Made(t, ada, issuance.Request{Kind: token.KindAccess})
	if issued.Lifetime != 100 {
		t.Errorf("the default is %d, not what is left", issued.Lifetime)
	}
	_, err := f.Ask(t, ada, issuance.Request{Kind: token.KindAccess, Lifetime: 101})
	nodetest.WantFault(t, "one second more", err, fault.Invalid, "the maximum is 100 seconds")
}

func TestUsualLifetimeShrinksToWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ceiling, age time.Duration
		want         int64
	}{
		"as it is":              {time.Hour, 0, 3600},
		"above the ceiling":     {40 * time.Minute, 0, 2400},
		"session ends sooner":   {time.Hour, 12*time.Hour - 10*time.Minute, 600},
		"ceiling before ending": {40 * time.Minute, 12*time.Hour - 50*time.Minute, 2400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Policy.AccessMax = tt.ceiling }})
			f.Freeze()
			f.User(t, "ada", "correct horse")
			raw := f.SessionToken(t, "ada", "correct horse").Value.Reveal()
			f.Advance(tt.age)
			c, err := f.Session(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			issued, err := f.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess, Parent: c.Token, Usual: 3600})
			if err != nil {
				t.Fatal(err)
			}
			if issued.Lifetime != tt.want {
				t.Errorf("lives %d s, want %d", issued.Lifetime, tt.want)
			}
		})
	}
}
