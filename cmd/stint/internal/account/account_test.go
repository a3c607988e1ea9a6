package account

import (
	"errors"
	"testing"
	"time"
)

func TestWhatIsPinnedOutlivesTheToken(t *testing.T) {
	t.Setenv("STINT_HOME", t.TempDir())
	now := time.Now()
	if _, err := Last(); !errors.Is(err, ErrSignedOut) {
		t.Fatalf("nobody signed in yet, and Last says %v", err)
	}
	if err := (&Account{URL: "https://stint.example.com", Log: "pinned", Expires: now, Key: make([]byte, 32)}).Save(); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(now); !errors.Is(err, ErrSignedOut) {
		t.Errorf("the token is over, and Load says %v", err)
	}
	if last, err := Last(); err != nil || last.Log != "pinned" || last.URL == "" {
		t.Errorf("Last gives %+v, %v", last, err)
	}
}
