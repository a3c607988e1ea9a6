//go:build e2e

package recorder_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// sizes are those at which packets, windows and buffers end.
var sizes = []int{0, 1, 32767, 32768, 32769, 2<<20 - 1, 2 << 20, 2<<20 + 1, 64 << 20}

// Every byte arrives, in both directions, and so does the status, whatever the size.
func TestOpenSSHEverySize(t *testing.T) {
	t.Parallel()
	r := newReal(t)
	for i, size := range sizes {
		data := make([]byte, size)
		_, _ = rand.Read(data)
		path, sum := filepath.Join(r.sshd.Home, fmt.Sprint(size)), fmt.Sprintf("%x", sha256.Sum256(data))
		must(t, os.WriteFile(path, data, 0o644))
		for _, way := range ways {
			if size == sizes[len(sizes)-1] && way != ways[0] {
				continue // the largest is long under the race detector
			}
			want := 10 + i
			got := r.run(t, nil, "ssh", way, fmt.Sprintf("cat %s; exit %d", path, want))
			if fmt.Sprintf("%x", sha256.Sum256([]byte(got.stdout))) != sum || status(got.err) != want {
				t.Errorf("%s: %d bytes came of %d, or others; status %v, %s", way, len(got.stdout), size, got.err, got.stderr)
			}
			got = r.run(t, bytes.NewReader(data), "ssh", way, fmt.Sprintf("sha256sum | cut -c-64; exit %d", want))
			if got.stdout != sum+"\n" || status(got.err) != want {
				t.Errorf("%s: others than %d bytes went: %+v", way, size, got)
			}
		}
	}
}
