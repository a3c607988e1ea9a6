package sshproxy

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"
)

func tcp(address string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(address), Port: 40000} }

func TestDoorHasRoomForManyButNotForOneSource(t *testing.T) {
	t.Parallel()
	d := newDoor(time.Now)
	var leave func(bool)
	for range maxOfSource {
		var err error
		if leave, err = d.enter(tcp("10.0.0.1")); err != nil {
			t.Fatal(err)
		}
	}
	for address, full := range map[string]bool{"10.0.0.1": true, "::ffff:10.0.0.1": true, "10.0.0.2": false, "2001:db8::1": false} {
		after, err := d.enter(tcp(address))
		if full != errors.Is(err, errSourceFull) {
			t.Errorf("%s: %v", address, err)
		}
		if err == nil {
			after(false)
		}
	}
	for i := range maxUnauthenticated - maxOfSource {
		if _, err := d.enter(tcp(fmt.Sprintf("10.0.1.%d", i%250))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.enter(tcp("10.0.0.2")); !errors.Is(err, errFull) {
		t.Errorf("one more than there may be in all: %v", err)
	}
	leave(false)
	if _, err := d.enter(tcp("10.0.0.2")); err != nil {
		t.Errorf("a place that was left: %v", err)
	}
}

func TestDoorIsShutToASourceThatFails(t *testing.T) {
	t.Parallel()
	clock := now
	d := newDoor(func() time.Time { return clock })
	try := func(address string, failed bool) error {
		leave, err := d.enter(tcp(address))
		if err == nil {
			leave(failed)
		}
		return err
	}
	for i := range failuresAtOnce {
		if err := try(fmt.Sprintf("2001:db8:1:2:%x::1", i), true); err != nil {
			t.Fatalf("after %d failures: %v", i, err)
		}
	}
	if err := try("2001:db8:1:2:ffff::1", false); !errors.Is(err, errSourceFailed) {
		t.Errorf("another address of the same network: %v", err)
	}
	if err := try("2001:db8:1:3::1", false); err != nil {
		t.Errorf("the network beside it: %v", err)
	}
	clock = clock.Add(-time.Hour)
	if err := try("2001:db8:1:2::1", false); !errors.Is(err, errSourceFailed) {
		t.Errorf("with a clock that was set back: %v", err)
	}
	clock = clock.Add(time.Hour + time.Second)
	for i := range failuresPerSecond + 1 {
		if err := try("2001:db8:1:2::1", true); (err == nil) != (i < failuresPerSecond) {
			t.Errorf("a second later, failure %d: %v", i+1, err)
		}
	}
	// Those who get in are not counted.
	for range 10 * failuresAtOnce {
		if err := try("10.0.0.1", false); err != nil {
			t.Fatal(err)
		}
	}
}

// Whoever has very many addresses makes the door forget, not grow.
func TestDoorRemembersOnlySoMany(t *testing.T) {
	t.Parallel()
	d := newDoor(time.Now)
	inside, err := d.enter(tcp("10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxSources {
		leave, err := d.enter(tcp(fmt.Sprintf("2001:db8:%x:%x::1", i>>8, i&0xff)))
		if err != nil {
			t.Fatal(err)
		}
		leave(true)
	}
	if len(d.sources) > maxSources {
		t.Errorf("%d sources are remembered", len(d.sources))
	}
	if s := d.sources[sourceOf(tcp("10.0.0.1"))]; s == nil || s.inside != 1 {
		t.Errorf("one that is inside was forgotten: %+v", s)
	}
	inside(false)
	if d.inside != 0 {
		t.Errorf("%d are inside", d.inside)
	}
}
