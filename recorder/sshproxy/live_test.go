package sshproxy

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"stint/recorder/wire"
)

func TestOneGrantCannotTakeAllSessions(t *testing.T) {
	t.Parallel()
	l := newLive(nil, slog.New(slog.DiscardHandler))
	var last *session
	add := func(number int, request string) error {
		last = &session{id: fmt.Sprint(request, number), pass: pass{Request: request}}
		return l.add(last)
	}
	for i := range wire.MaxSessions {
		if err := add(i, "req-1"); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
	}
	one := last
	if err := add(wire.MaxSessions, "req-1"); !errors.Is(err, errTooMany) {
		t.Errorf("one more than allowed: %v", err)
	}
	if err := add(0, "req-2"); err != nil {
		t.Errorf("another grant: %v", err)
	}
	l.remove(one)
	if err := add(wire.MaxSessions, "req-1"); err != nil {
		t.Errorf("after one ended: %v", err)
	}
}

func TestOneGrantCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	l := newLive(nil, slog.New(slog.DiscardHandler))
	one, other := pass{Request: "req-1"}, pass{Request: "req-2"}
	var leave func()
	for i := range maxConnections {
		var err error
		if leave, err = l.enter("req-1"); err != nil || i == 0 && l.hasRoom(one) != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	if _, err := l.enter("req-1"); err == nil || l.hasRoom(one) == nil || l.mayJump(one) == nil {
		t.Error("there is room for one more than allowed")
	}
	if err := errors.Join(l.hasRoom(other), l.mayJump(other)); err != nil {
		t.Errorf("another grant: %v", err)
	}
	leave()
	leave() // nothing more
	if err := errors.Join(l.hasRoom(one), l.mayJump(one)); err != nil {
		t.Errorf("after one left: %v", err)
	}
	if _, err := l.enter("req-1"); err != nil {
		t.Errorf("after one left: %v", err)
	}
	if _, err := l.enter("req-1"); err == nil {
		t.Error("one that left twice gave two places back")
	}
}

func TestEndingsAreForgottenInOrder(t *testing.T) {
	t.Parallel()
	l := newLive(nil, slog.New(slog.DiscardHandler))
	late := &outer{client: &connection{pass: pass{Request: "req-1"}}, over: make(chan struct{})}
	l.addOuter(late)
	for range 2 {
		l.hear(wire.Ending{Request: "req-0", Reason: wire.ReasonRevoked})
	}
	if _, over := late.isOver(); over {
		t.Error("another grant's ending ended it")
	}
	for i := range mostEndings {
		l.hear(wire.Ending{Request: fmt.Sprint("req-", i+1), Reason: wire.ReasonRevoked, By: "Bob"})
	}
	if sentence, over := late.isOver(); !over || !strings.HasPrefix(sentence, "stint: access revoked by Bob at ") {
		t.Errorf("its own ending: %v, %q", over, sentence)
	}
	if len(l.grants.endings) != mostEndings || len(l.grants.order) != mostEndings || l.mayJump(pass{Request: "req-0"}) != nil || l.mayJump(pass{Request: "req-1"}) == nil {
		t.Errorf("it remembers %d endings in an order of %d", len(l.grants.endings), len(l.grants.order))
	}
}
