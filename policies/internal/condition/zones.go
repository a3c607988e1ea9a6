package condition

import (
	"strings"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// zoned are the functions that read a time as people of a time zone do. The language has
// them without a zone too, in UTC, and with any text as one, which it would look up in the
// machine's files at each evaluation. Here the zone must be said, and stand in the source.
var zoned = map[string]func(time.Time) int{
	"getFullYear":   time.Time.Year,
	"getMonth":      func(t time.Time) int { return int(t.Month()) - 1 },
	"getDate":       time.Time.Day,
	"getDayOfMonth": func(t time.Time) int { return t.Day() - 1 },
	"getDayOfWeek":  func(t time.Time) int { return int(t.Weekday()) },
	"getDayOfYear":  func(t time.Time) int { return t.YearDay() - 1 },
	"getHours":      time.Time.Hour,
	"getMinutes":    time.Time.Minute,
}

// zones are those that some condition names, by their names.
var zones sync.Map

// knownZone tells whether there is a time zone of that name, and keeps it for evaluation.
// Neither "" nor "Local" is one: they would mean something else on each machine.
func knownZone(name string) bool {
	if _, known := zones.Load(name); known {
		return true
	}
	if name == "" || name == "Local" {
		return false
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return false
	}
	zones.Store(strings.Clone(name), zone)
	return true
}

func zonedFunctions() (functions []cel.EnvOption) {
	for name, read := range zoned {
		functions = append(functions, cel.Function(name, cel.MemberOverload("timestamp_"+name+"_in_zone",
			[]*cel.Type{cel.TimestampType, cel.StringType}, cel.IntType,
			cel.BinaryBinding(func(at, zone ref.Val) ref.Val {
				t, isTime := at.(types.Timestamp)
				name, isText := zone.(types.String)
				if !isTime || !isText {
					return types.MaybeNoSuchOverloadErr(at)
				}
				found, ok := zones.Load(string(name))
				if !ok {
					return types.NewErr("there is no time zone %s", string(name))
				}
				return types.Int(read(t.In(found.(*time.Location))))
			}))))
	}
	return functions
}
