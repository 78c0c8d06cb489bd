package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store/engine"
)

var (
	errSlow    = errors.New("there was no answer, or no free connection, for as long as postgres.statement_timeout")
	errCrowded = fault.After(fault.Unavailable, engine.Soon, "too many are waiting for the database")
	errBusy    = fault.After(fault.Unavailable, engine.Soon, "the store is busy")
	errStuck   = fault.After(fault.Unavailable, engine.Soon, "too many commits are waiting for the database")

	errAmbiguous = unfit("its name leads to another server as well, so the revocation log of this one can't be put back into service yet")
)

// unreplicated is the error of a commit that the server has carried out although no
// standby confirmed it: the server was made to stop waiting.
type unreplicated struct{ warning *pgconn.Notice }

func (u *unreplicated) Error() string {
	return fmt.Sprintf("it has committed, but perhaps on this server alone: %s (%s)", u.warning.Message, u.warning.Detail)
}

// lost is an error of the server or of the connection, as opposed to one in reading its
// answers.
type lost struct{ err error }

func (l *lost) Error() string { return l.err.Error() }
func (l *lost) Unwrap() error { return l.err }

// classify turns an error of the database into a fault, whose cause names the database
// for the operator's log and whose message has no details for the client. Every other
// error is returned unchanged.
func (db *DB) classify(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return err
	}
	cause := fmt.Errorf("database %s: %w", db.name, err)
	var pg *pgconn.PgError
	var l *lost
	var connect *pgconn.ConnectError
	var alone *unreplicated
	switch {
	case errors.As(err, &pg):
		// By its SQLSTATE (PostgreSQL, appendix A).
		switch pg.Code {
		case "23505": // unique_violation
			return fault.Wrap(cause, fault.Conflict, "it exists already")
		case "23503": // foreign_key_violation
			return fault.Wrap(cause, fault.Invalid, "something that it names doesn't exist")
		case "40001", "40P01", "55P03", "57014", "25P03": // serialization, deadlock, lock and statement timeouts, idle
			return engine.Unavailable(cause, "the store is busy", engine.Soon)
		case "53100": // disk_full
			return engine.Unavailable(cause, "the store's disk is full", engine.Later)
		case "25006", "42501": // read_only_sql_transaction, insufficient_privilege
			return engine.Unavailable(cause, "the store can't be used now", engine.Later)
		}
		switch pg.Code[:min(2, len(pg.Code))] {
		case "08", "28", "3D", "53", "57", "58": // connection, authorization, catalog, resources, operator, system
			return engine.Unavailable(cause, "the store can't be used now", engine.Soon)
		}
		if gaveUp(pg) {
			return engine.Unavailable(cause, "the store can't be used now", engine.Soon)
		}
		return cause
	case errors.Is(err, errSlow):
		return engine.Unavailable(cause, "the store doesn't answer", engine.Soon)
	case errors.As(err, &alone):
		return engine.Unavailable(cause, "the store's standby doesn't answer", engine.Soon)
	case errors.As(err, &l), errors.As(err, &connect), errors.Is(err, errUnfit):
		return engine.Unavailable(cause, "the store can't be used now", engine.Soon)
	}
	return err
}

// gaveUp reports whether a server ended the session with an error. It may have done so
// after a commit: only an error behind which the session goes on says that the transaction
// was rolled back.
func gaveUp(pg *pgconn.PgError) bool {
	return pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC"
}

// explain returns an error at the start with what the operator can do about it.
func explain(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
			return fmt.Errorf("its server can't be reached: %w", err)
		}
		return err
	}
	switch pg.Code {
	case "08P01": // protocol_violation: PgBouncer takes few settings
		return fmt.Errorf("%w: %s", err, noPooler)
	case "28P01", "28000":
		return fmt.Errorf("the server refuses the user or the password: %w", err)
	case "3D000":
		return fmt.Errorf("there is no such database on the server: %w", err)
	case "42501":
		return fmt.Errorf("the user lacks a privilege (it must own its tables, and may need GRANT USAGE, CREATE ON SCHEMA public): %w", err)
	case "42703": // of a table named migrations that isn't ours
		return errors.Join(engine.ErrForeign, err)
	}
	return err
}
