package apply_test

import "github.com/bearerd/bearerd/internal/caller"

var operator = caller.Operator()
