package policies

import (
	"fmt"
	"strconv"
	"time"
)

// FormatDuration writes a duration in its one canonical form: hours, minutes
// and seconds without the parts that are zero, as in "1h30m", "45m" or "20s";
// nothing is "0s". Fractions of a second are cut off.
func FormatDuration(d time.Duration) string {
	if d < 0 {
		return "-" + FormatDuration(-d)
	}
	text := make([]byte, 0, 24)
	for _, part := range []struct {
		unit time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / part.unit; n > 0 {
			text = append(strconv.AppendInt(text, int64(n), 10), part.name...)
			d -= n * part.unit
		}
	}
	if len(text) == 0 {
		return "0s"
	}
	return string(text)
}

// ParseDuration reads what FormatDuration writes for a duration that is not
// negative, and refuses every other spelling ("90m", "1.5h", "1h0m").
func ParseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d%time.Second != 0 || FormatDuration(d) != text {
		return 0, fmt.Errorf("%q is not a duration in its shortest form, such as 1h30m, 45m or 20s", text)
	}
	return d, nil
}
