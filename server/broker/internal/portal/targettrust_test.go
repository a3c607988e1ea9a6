package portal

import (
	"testing"
	"time"
)

// One question is asked of the signer once a second, and only so many different ones.
func TestTargetTrustIsAskedForBoundedly(t *testing.T) {
	t.Parallel()
	kept, now := new(targetTrusts), time.Unix(1e9, 0)
	first, fetch := kept.find(7, now)
	if first == nil || !fetch {
		t.Fatal("nobody fetches")
	}
	if again, fetch := kept.find(7, now.Add(targetTrustLife)); again != first || fetch {
		t.Error("the same question is asked twice in a second")
	}
	for from := range int64(mostTargetTrust) - 1 {
		if answer, fetch := kept.find(100+from, now); answer == nil || !fetch {
			t.Fatalf("question %d is not asked", from)
		}
	}
	if answer, _ := kept.find(99, now); answer != nil {
		t.Error("there is no bound")
	}
	if again, _ := kept.find(7, now); again != first {
		t.Error("a known answer is kept from who asks for it")
	}
	later := now.Add(targetTrustLife + 1)
	if answer, fetch := kept.find(99, later); answer == nil || !fetch {
		t.Error("the next second is no new one")
	}
	if again, fetch := kept.find(7, later); again == first || !fetch {
		t.Error("an answer is kept for longer than a second")
	}
}
