package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as a whole number with a unit: 512KiB, 32MiB,
// 1GiB.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func parseSize(text string) (Size, error) {
	for _, unit := range sizeUnits {
		digits, found := strings.CutSuffix(text, unit.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/unit.bytes || strconv.FormatInt(n, 10) != digits {
			break
		}
		return Size(n * unit.bytes), nil
	}
	return 0, fmt.Errorf("no size: %w", strconv.ErrSyntax)
}

// String writes the size in the largest unit that is exact.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if n := int64(s); n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
