package simulation

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// chance is a source of random numbers with a name. Each part of the world has its own, so
// what one draws doesn't depend on how often another one has drawn.
type chance struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newChance(seed uint64, name string) *chance {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return &chance{r: rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // must be repeatable
}

// Below returns a number from 0 to n, which is not included.
func (c *chance) Below(n int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.Int64N(n)
}

// upTo returns a time from 0 to d, which is not included.
func (c *chance) upTo(d time.Duration) time.Duration { return time.Duration(c.Below(int64(d))) }

// between returns a time between two.
func (c *chance) between(least, most time.Duration) time.Duration { return least + c.upTo(most-least) }

// index returns the index of one of n.
func (c *chance) index(n int) int { return int(c.Below(int64(n))) }

// oneIn reports true once in n times.
func (c *chance) oneIn(n int64) bool { return c.Below(n) == 0 }

// id returns a random id in the form of a UUID.
func (c *chance) id() string {
	const hex = "0123456789abcdef"
	text := []byte("00000000-0000-4000-8000-000000000000")
	for i := range text {
		if text[i] == '0' {
			text[i] = hex[c.Below(16)]
		}
	}
	return string(text)
}
