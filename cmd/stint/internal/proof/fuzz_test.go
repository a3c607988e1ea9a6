package proof_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"stint/cmd/stint/internal/proof"
)

// FuzzRead: whatever a file holds, reading and verifying it ends, what is read says
// the same once it is written again, and none is proven: the log of testdata's
// anchor signed files without a history only.
func FuzzRead(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "anchor.json"))
	if err != nil {
		f.Fatal(err)
	}
	anchor, err := proof.ReadAnchor(text)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := proof.Read(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proof.Read(again); err != nil {
			t.Fatalf("written again it is refused: %v", err)
		}
		if found, err := proof.Verify(file, anchor); err == nil && found.Whole {
			t.Fatalf("nobody signed it, and it is proven: %+v", found)
		}
	})
}

// FuzzReadAnchor: whatever a trust file holds, reading it ends.
func FuzzReadAnchor(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		anchor, err := proof.ReadAnchor(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(anchor)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proof.ReadAnchor(again); err != nil {
			t.Fatalf("written again it is refused: %v", err)
		}
	})
}
