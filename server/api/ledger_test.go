package api

import (
	"testing"
	"time"
)

func TestSigningTextTellsEveryReportApart(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 4, 9, 0, 0, 0, time.FixedZone("", 3600))
	report := AcceptedSerials{Target: "db1", Serials: []AcceptedSerial{{18446744073709551615, "req-1", "postgres", at}, {2, "a\nb \"c\"", "root", at}}}
	want := "stint accepted serials 1\n\"db1\"\n18446744073709551615 \"req-1\" \"postgres\" 2026-03-04T08:00:00Z\n2 \"a\\nb \\\"c\\\"\" \"root\" 2026-03-04T08:00:00Z\n"
	if got := string(report.SigningText()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
