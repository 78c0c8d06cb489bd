package records

import (
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// DeviceState is the state of a device code.
type DeviceState string

// The states of a device code. One that was redeemed is deleted.
const (
	DevicePending  DeviceState = "pending"
	DeviceApproved DeviceState = "approved"
	DeviceDenied   DeviceState = "denied"
)

// Device is a device that waits for its user's decision.
type Device struct {
	Digest    [32]byte // SHA-256 of the device code
	UserCode  string
	ClientID  string
	Scope     []string
	Audience  string
	State     DeviceState
	Subject   string         // who decided
	Seq       revocation.Seq // as of which they did
	ExpiresAt time.Time
}
