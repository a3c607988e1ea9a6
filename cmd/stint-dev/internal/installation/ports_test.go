package installation

import "testing"

func TestPortIsSetAsideForOne(t *testing.T) {
	t.Parallel()
	var one, other ports
	defer one.release()
	defer other.release()
	port, err := one.choose()
	if err != nil {
		t.Fatal(err)
	}
	for who, p := range map[string]*ports{"the same": &one, "another": &other} {
		if p.reserve(port) == nil {
			t.Errorf("a port that is set aside was set aside again by %s", who)
		}
	}
	one.release()
	if err := other.reserve(port); err != nil {
		t.Errorf("a port that was given up: %v", err)
	}
}
