package journal

import (
	"fmt"
	"testing"

	"stint/server/ledger"
)

func TestProofsOfWhatIsAcknowledged(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	j, _ := mustOpen(t, t.TempDir(), log)
	var seen []ledger.Checkpoint
	for n := range 9 {
		advanced := j.Advanced()
		add(t, j, fmt.Sprintf("leaf %d", n))
		select {
		case <-advanced:
		default:
			t.Fatal("nobody was told that the log advanced")
		}
		signed, size := j.Checkpoint()
		checkpoint, err := ledger.Open(signed, log.Origin, log.Verifier)
		if err != nil || checkpoint.Size != size {
			t.Fatal(err)
		}
		if root, err := j.Root(size); err != nil || root != checkpoint.Root {
			t.Fatalf("the root of %d: %v", size, err)
		}
		seen = append(seen, checkpoint)
		for _, before := range seen {
			proof, err := j.Consistency(before.Size, size)
			if err == nil {
				err = proof.Check(before, checkpoint)
			}
			if err != nil {
				t.Fatalf("from %d to %d: %v", before.Size, size, err)
			}
		}
	}
	// What is staged and not acknowledged is proved to nobody.
	if _, err := j.Root(10); err == nil {
		t.Error("the root of more than is there")
	}
	if _, err := j.Consistency(3, 10); err == nil {
		t.Error("a proof of more than is there")
	}
	if _, err := j.Consistency(5, 4); err == nil {
		t.Error("a proof backwards")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
