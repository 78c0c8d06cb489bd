package upkeep

import (
	"time"
)

// Bounds of what is kept of report-only routes.
const (
	MaxShadows       = 10_000              // rows; further ones are counted without their token
	MaxShadowSamples = 5                   // examples of one
	KeptShadow       = 30 * 24 * time.Hour // since it was last seen
)

// Shadow is what report-only routes would have refused for one reason, of one token.
type Shadow struct {
	Route, Reason     string
	TokenID           string // "": none is known, or there are too many
	Count             int64
	Agreed, Disagreed int64 // how many of these have a known answer of the application
	LastAt            time.Time
	Examples          []ShadowExample // the latest first
}

// ShadowExample is one such request, without what may be secret.
type ShadowExample struct {
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Status int       `json:"status"` // the application's; 0: not known
}
