package main

import "runtime"

// headroomBytes lets as much garbage again pile up before it is collected.
const headroomBytes = 8 << 20

// headroom keeps the garbage collector from running for every few megabytes, of which
// an answer a fraction of a millisecond long leaves a few thousand bytes: a server
// whose facts are small would collect thirty times a second and spend a tenth of its
// time on that. What is allocated is never written to, so it takes no memory but in
// the collector's books. It ends when release is called.
func headroom() (release func()) {
	reserve := make([]byte, headroomBytes)
	return func() { runtime.KeepAlive(reserve) }
}
