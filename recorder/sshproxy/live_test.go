package sshproxy

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
)

func TestOneGrantCannotTakeAllSessions(t *testing.T) {
	t.Parallel()
	l := newLive(nil, slog.New(slog.DiscardHandler))
	add := func(number int, request string) error {
		return l.add(&session{id: fmt.Sprint(request, number), pass: pass{Request: request}})
	}
	for i := range maxSessions {
		if err := add(i, "req-1"); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
	}
	if err := add(maxSessions, "req-1"); !errors.Is(err, errTooMany) {
		t.Errorf("one more than allowed: %v", err)
	}
	if err := add(0, "req-2"); err != nil {
		t.Errorf("another grant: %v", err)
	}
	l.remove(&session{id: "req-10"})
	if err := add(maxSessions, "req-1"); err != nil {
		t.Errorf("after one ended: %v", err)
	}
}
