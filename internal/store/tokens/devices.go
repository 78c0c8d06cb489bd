package tokens

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectDevice = `SELECT digest, user_code, client_id, scope, audience, state, subject, seq, expires_at FROM devices`

	deviceByDigest   = selectDevice + ` WHERE digest = $1`
	deviceByUserCode = selectDevice + ` WHERE user_code = $1`

	insertDevice = `INSERT INTO devices (digest, user_code, client_id, scope, audience, state, subject, seq, polled_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9) ON CONFLICT DO NOTHING`

	// The number of codes that have not expired, which is limited, and the first expiry
	// among them.
	waitingDevices  = `SELECT count(*), coalesce(min(expires_at), 0) FROM devices WHERE expires_at > $1`
	waitingOfClient = waitingDevices + ` AND client_id = $2`

	decideDevice  = `UPDATE devices SET state = $2, subject = $3, seq = $4 WHERE digest = $1 AND state = $5 AND expires_at > $6`
	spendDevice   = `DELETE FROM devices WHERE digest = $1 AND state = $2`
	deleteDevices = `DELETE FROM devices`

	purgeDevices = `DELETE FROM devices
WHERE digest IN (SELECT digest FROM devices WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)`
)

// Device finds a device code by its SHA-256. If there is none, the error is
// fault.NotFound.
func (k *Codes) Device(ctx context.Context, digest [32]byte) (records.Device, error) {
	return k.device(ctx, deviceByDigest, digest[:])
}

// DeviceByUserCode finds a device code by the code that the user types. If there is none,
// the error is fault.NotFound.
func (k *Codes) DeviceByUserCode(ctx context.Context, userCode string) (records.Device, error) {
	return k.device(ctx, deviceByUserCode, userCode)
}

func (k *Codes) device(ctx context.Context, text string, key any) (d records.Device, err error) {
	err = k.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		err := c.Row(ctx, text, []any{key}, digest{&d.Digest}, &d.UserCode, &d.ClientID, column.List(&d.Scope), &d.Audience,
			&d.State, &d.Subject, &d.Seq, column.Time(&d.ExpiresAt))
		return query.OrNotFound(err, "no such device code")
	})
	if err != nil {
		return records.Device{}, err
	}
	return d, nil
}

func addDevice(ctx context.Context, c engine.Conn, o op.AddDevice) error {
	d := o.Device
	if err := roomForDevice(ctx, c, o.Now, o.Most, waitingDevices); err != nil {
		return err
	}
	if err := roomForDevice(ctx, c, o.Now, o.MostOfClient, waitingOfClient, d.ClientID); err != nil {
		return err
	}
	return query.UnlessConflict(ctx, c, "a device code like this exists already", insertDevice, d.Digest[:], d.UserCode, d.ClientID,
		column.List(&d.Scope), d.Audience, string(d.State), d.Subject, d.Seq, column.Micros(d.ExpiresAt))
}

// roomForDevice refuses a device code when too many are waiting. Concurrent transactions
// don't see each other's codes, so there may be a few more.
func roomForDevice(ctx context.Context, c engine.Conn, now time.Time, most int, text string, of ...any) error {
	if most <= 0 {
		return nil
	}
	var count int
	var first time.Time
	if err := c.Row(ctx, text, append([]any{column.Micros(now)}, of...), &count, column.Time(&first)); err != nil {
		return err
	}
	if count < most {
		return nil
	}
	return fault.After(fault.Limited, first.Sub(now), "too many device codes wait for their users")
}

func decide(ctx context.Context, c engine.Conn, o op.DecideDevice) error {
	d := o.Device
	return query.UnlessConflict(ctx, c, "the device was decided about already, or has run out", decideDevice,
		d.Digest[:], string(d.State), d.Subject, d.Seq, string(records.DevicePending), column.Micros(o.Now))
}
