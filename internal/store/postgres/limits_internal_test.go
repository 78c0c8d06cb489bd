package postgres

import (
	"strconv"
	"testing"
	"time"
)

// A transaction may be idle for a part of a lease, because others may wait for it.
func TestATransactionIsIdleForAPartOfALease(t *testing.T) {
	t.Parallel()
	for staleness, most := range map[time.Duration]int{100 * time.Millisecond: 25, 2 * time.Second: 500, time.Hour: 500} {
		ms, err := strconv.Atoi(Limits{Staleness: staleness}.withDefaults().session()["idle_in_transaction_session_timeout"])
		if err != nil || ms < 1 || ms > most {
			t.Errorf("with a lease of %s a transaction may idle for %d ms", staleness, ms)
		}
	}
}
